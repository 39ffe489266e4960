// A sensor whose power is known at every time: a file that says, in microwatts, 2 W and a sine of 1 W and 60 ms
// of the guest's monotonic clock. Ends with the process that started it.
#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cmath>
#include <csignal>
#include <cstdio>
#include <ctime>

int main(int, char** arguments) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int file = open(arguments[1], O_WRONLY | O_CREAT, 0644);
  for (;;) {
    timespec at{};
    clock_gettime(CLOCK_MONOTONIC, &at);
    const double seconds = static_cast<double>(at.tv_sec) + static_cast<double>(at.tv_nsec) * 1e-9;
    char text[16];
    // As wide each time, so that nothing of the last value is left.
    std::snprintf(text, sizeof text, "%09.0f\n", 2e6 + 1e6 * std::sin(2 * M_PI * seconds / 0.06));
    if (pwrite(file, text, 10, 0) != 10) {
      return 1;
    }
    const timespec pause{0, 1'000'000};
    nanosleep(&pause, nullptr);
  }
}
