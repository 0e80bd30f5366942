// C view of simdjson for rfmd.
#pragma once
