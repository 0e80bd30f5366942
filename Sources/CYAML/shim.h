// What rfmd sees of libyaml.
#include <yaml.h>
