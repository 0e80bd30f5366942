// What rfmd sees of libsystemd: the journal and service notification.
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>
