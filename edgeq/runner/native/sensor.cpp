#include "sensor.h"

#include "measure.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <vector>

namespace edgeq {
namespace {

constexpr int64_t kCommandDeadline = 2'000'000'000;

void set_error(Reading& reading, const char* what, const char* detail) {
  const int length = std::snprintf(reading.text, Reading::kRoom, "%s: %s", what, detail);
  reading.good = false;
  reading.length = std::min(static_cast<size_t>(std::max(length, 0)), size_t{300});
}

void set_errno(Reading& reading, const char* what) {
  char room[128];
  set_error(reading, what, strerror_r(errno, room, sizeof room));
}

void trim(Reading& reading, size_t least) {
  constexpr std::string_view kWhite = " \t\r\n";
  while (reading.length > least && kWhite.find(reading.text[reading.length - 1]) != kWhite.npos) {
    --reading.length;
  }
}

// Appends the file's content, of which `room` bytes are enough (0: all); false when it gives none.
bool append_file(const char* path, size_t room, Reading& reading) {
  // O_NONBLOCK: a pipe that nobody writes to must not hold the thread.
  const int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) {
    set_errno(reading, path);
    return false;
  }
  const size_t before = reading.length;
  const size_t left = Reading::kRoom - before;
  const ssize_t got = read(file, reading.text + before, room ? std::min(room, left) : left);
  if (got < 0) {
    set_errno(reading, path);
  }
  close(file);
  if (got < 0) {
    return false;
  }
  reading.length += static_cast<size_t>(got);
  trim(reading, before);
  return true;
}

void read_files(const Sensor& sensor, Reading& reading) {
  for (size_t index = 0; index < sensor.files.size(); ++index) {
    if (index > 0 && reading.length < Reading::kRoom) {
      reading.text[reading.length++] = '\n';
    }
    if (!append_file(sensor.files[index].c_str(), sensor.room, reading)) {
      return;
    }
  }
  reading.good = true;
}

// Between vfork and exec: async-signal-safe calls only, and nothing of the parent's memory is changed.
[[noreturn]] void become(char* const* argv, int output) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // a command must not outlive the runner
  struct sigaction action {};
  action.sa_handler = SIG_DFL;
  for (int number = 1; number < 32; ++number) {
    sigaction(number, &action, nullptr);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const int null = open("/dev/null", O_RDWR);
  if (null >= 0 && dup2(null, STDIN_FILENO) >= 0 && dup2(output, STDOUT_FILENO) >= 0 &&
      dup2(null, STDERR_FILENO) >= 0) {
    execvp(argv[0], argv);
  }
  _exit(127);
}

// Reads until the end, the deadline, or a full buffer; false at the deadline.
bool drain(int input, int64_t deadline, Reading& reading) {
  while (reading.length < Reading::kRoom) {
    const int64_t left = deadline - now();
    pollfd waiting{input, POLLIN, 0};
    if (left <= 0 || poll(&waiting, 1, static_cast<int>(left / 1'000'000 + 1)) == 0) {
      return false;
    }
    const ssize_t got = read(input, reading.text + reading.length, Reading::kRoom - reading.length);
    if (got == 0 || (got < 0 && errno != EINTR)) {
      break;
    }
    reading.length += static_cast<size_t>(std::max<ssize_t>(got, 0));
  }
  return true;
}

// Until the deadline; a child that closed its output and lives on is ended then.
int reap(pid_t child, bool kill_now, int64_t deadline, int64_t& children) {
  int status = 0;
  rusage used{};
  pid_t gone = 0;
  while (!kill_now && (gone = wait4(child, &status, WNOHANG, &used)) == 0 && now() < deadline) {
    poll(nullptr, 0, 1);
  }
  if (gone == 0) {
    kill(child, SIGKILL);
    while (wait4(child, &status, 0, &used) < 0 && errno == EINTR) {
    }
  }
  for (const timeval& time : {used.ru_utime, used.ru_stime}) {
    children += (static_cast<int64_t>(time.tv_sec) * 1'000'000 + time.tv_usec) * 1000;
  }
  return status;
}

void run_command(const std::vector<std::string>& command, Reading& reading, int64_t& children) {
  constexpr size_t kMostArguments = 64;  // job.cpp allows no more
  char* argv[kMostArguments + 1] = {};
  for (size_t index = 0; index < std::min(command.size(), kMostArguments); ++index) {
    argv[index] = const_cast<char*>(command[index].c_str());
  }
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    set_errno(reading, argv[0]);
    return;
  }
  const int64_t deadline = now() + kCommandDeadline;
  const pid_t child = vfork();
  if (child == 0) {
    become(argv, ends[1]);
  }
  close(ends[1]);
  if (child < 0) {
    set_errno(reading, argv[0]);
    close(ends[0]);
    return;
  }
  const bool answered = drain(ends[0], deadline, reading);
  close(ends[0]);
  const int status = reap(child, !answered, deadline, children);
  trim(reading, 0);
  reading.good = answered && WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (!answered) {
    set_error(reading, argv[0], "no answer within 2 s");
  } else if (!reading.good) {
    const bool missing = WIFEXITED(status) && WEXITSTATUS(status) == 127;
    set_error(reading, argv[0], missing ? "cannot be run" : "failed");
  }
}

}  // namespace

void read_sensor(const Sensor& sensor, Reading& reading, int64_t& children) {
  reading.length = 0;
  reading.good = false;
  if (sensor.command.empty()) {
    read_files(sensor, reading);
  } else {
    run_command(sensor.command, reading, children);
  }
}

}  // namespace edgeq
