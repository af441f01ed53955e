// The native kernel: each lane of a vector is one model. setup.py compiles it once for each kind of processor.

#ifndef V
#define V 16
#endif

// How many models a vector holds.
extern "C" int lanes(void) { return V; }

// The version of these functions and their arguments; library.py names the one that it can call.
extern "C" int version(void) { return 1; }
