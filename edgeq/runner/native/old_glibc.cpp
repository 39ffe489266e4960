// Lets a runner that was linked against a new glibc load on devices down to glibc 2.28 (what the SDK's own
// libraries are built for). Built for aarch64 only: 2.17 is where that architecture's symbols begin.
//
// glibc 2.34 gave __libc_start_main and dlsym a new version without changing what they do for a program that
// passes its own initializer. The linker is told to send the start-up code's call here (--wrap), and it goes
// on to the old version, which every later glibc still has.
#include <dlfcn.h>

extern "C" {

// glibc 2.32 and later tell libstdc++ through this that no atomics are needed yet. A definition of one's own
// keeps the answer at "several threads", and the symbol out of what is asked of glibc.
char __libc_single_threaded = 0;

using Main = int (*)(int, char**, char**);
using Hook = void (*)();
using Initializer = void (*)(int, char**, char**);

int old_libc_start_main(Main, int, char**, Initializer, Hook, Hook, void*);
__asm__(".symver old_libc_start_main, __libc_start_main@GLIBC_2.17");

void* old_dlsym(void*, const char*);
__asm__(".symver old_dlsym, dlsym@GLIBC_2.17");

extern Initializer __init_array_start[];
extern Initializer __init_array_end[];

// Before 2.34 the program runs its own constructors; `_init` holds nothing on this architecture.
static void run_constructors(int count, char** arguments, char** environment) {
  for (Initializer* constructor = __init_array_start; constructor != __init_array_end; ++constructor) {
    (*constructor)(count, arguments, environment);
  }
}

int __wrap___libc_start_main(Main program, int count, char** arguments, Initializer, Hook, Hook loader_end,
                             void* stack_end) {
  return old_libc_start_main(program, count, arguments, run_constructors, nullptr, loader_end, stack_end);
}

void* __wrap_dlsym(void* library, const char* name) { return old_dlsym(library, name); }

}  // extern "C"
