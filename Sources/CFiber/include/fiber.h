// Fibers: functions that give way in the middle and go on later, on stacks of their own. One thread runs them all.
#pragma once
#include <stddef.h>

typedef struct rfmd_fiber rfmd_fiber;

// A fiber with a stack of `bytes`; NULL if there is no memory.
rfmd_fiber *rfmd_fiber_new(size_t bytes);
// The next resume calls `entry` with `argument`. Only for a fiber that is new or has ended.
void rfmd_fiber_start(rfmd_fiber *fiber, void (*entry)(void *), void *argument);
// Runs it until it suspends or ends; nonzero if it has ended. Not from inside a fiber.
int rfmd_fiber_resume(rfmd_fiber *fiber);
// From inside: gives way to whoever resumed it.
void rfmd_fiber_suspend(rfmd_fiber *fiber);
// Only for a fiber that is new or has ended.
void rfmd_fiber_free(rfmd_fiber *fiber);

// Memory that is given back stays with the process: simulations take and give back the same again and again.
void rfmd_keep_memory(void);
