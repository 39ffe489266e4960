#include "guard.h"

#include "result.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace edgeq {
namespace {

constexpr int kScratchFiles = 4;

// Everything the handler reads is prepared before: it may call only async-signal-safe functions.
std::atomic<const char*> stage{"job"};
char result_path[PATH_MAX];
char part_path[PATH_MAX];
char document_head[512];  // up to the stage's name
char document_tail[256];  // after the error's message
char fatal_message[256];
char scratch[kScratchFiles][PATH_MAX];
std::atomic<const std::atomic<size_t>*> samples_length{nullptr};
std::atomic<const char*> samples{nullptr};
std::atomic<const Progress*> progress{nullptr};
alignas(16) char signal_stack[64 * 1024];

struct Signal {
  int number;
  const char* name;
  const char* message;
};

constexpr Signal kSignals[] = {
    {SIGSEGV, "SIGSEGV", "crashed inside ExecuTorch: invalid memory access; the program is probably damaged"},
    {SIGBUS, "SIGBUS", "crashed inside ExecuTorch: bus error; the program is damaged, or shrank while it was read"},
    {SIGILL, "SIGILL", "crashed: this core does not have an instruction that a library uses"},
    {SIGFPE, "SIGFPE", "crashed inside ExecuTorch: arithmetic error; the program is probably damaged"},
    {SIGABRT, "SIGABRT", "aborted inside ExecuTorch"},
    {SIGALRM, "DeadlineExceeded", "the deadline of the job passed"},
    {SIGTERM, "SIGTERM", "ended by a signal"},
    {SIGINT, "SIGINT", "ended by a signal"},
    {SIGHUP, "SIGHUP", "ended by a signal: the client hung up"},
};

void put(int file, const char* text, size_t left) {
  while (left > 0) {
    const ssize_t written = write(file, text, left);
    if (written <= 0) {
      return;
    }
    text += written;
    left -= static_cast<size_t>(written);
  }
}

void put(int file, const char* text) { put(file, text, std::strlen(text)); }

void put_samples(int file) {
  const std::atomic<size_t>* length = samples_length.load();
  if (length && samples.load()) {
    put(file, R"(,"sampled":{"samples":[)");
    put(file, samples.load(), length->load(std::memory_order_acquire));
    put(file, "]}");
  }
}

// As many numbers as fit are written at once: there may be a million.
class Numbers {
 public:
  explicit Numbers(int file) : file_(file) {}
  ~Numbers() { flush(); }
  Numbers(const Numbers&) = delete;
  Numbers& operator=(const Numbers&) = delete;

  void add(int64_t value) {
    if (used_ + 24 > sizeof room_) {
      flush();
    }
    char digits[24];
    size_t count = 0;
    auto left = static_cast<uint64_t>(value < 0 ? 0 : value);
    do {
      digits[count++] = static_cast<char>('0' + left % 10);
    } while ((left /= 10) != 0);
    while (count > 0) {
      room_[used_++] = digits[--count];
    }
  }
  void comma() { room_[used_++] = ','; }

 private:
  void flush() {
    put(file_, room_, used_);
    used_ = 0;
  }

  int file_;
  size_t used_ = 0;
  char room_[4096];
};

void put_list(int file, const char* before, const int64_t* values, size_t count) {
  put(file, before);
  Numbers numbers(file);
  for (size_t index = 0; index < count; ++index) {
    if (index > 0) {
      numbers.comma();
    }
    numbers.add(values[index]);
  }
}

void put_progress(int file) {
  const Progress* reached = progress.load();
  if (!reached) {
    return;
  }
  const size_t count = reached->count.load(std::memory_order_acquire);
  put_list(file, R"(,"times":{"load":)", &reached->load, 1);
  put_list(file, R"(,"init":)", &reached->init, 1);
  put_list(file, R"(,"first":)", &reached->first, 1);
  put_list(file, R"(,"measured":[)", reached->measured.load(), count);
  put_list(file, R"(],"starts":[)", reached->starts.load(), count);
  put(file, "]}");
}

void write_failure(const Signal& signal, const char* message) {
  const int file = open(part_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (file < 0) {
    return;
  }
  put(file, document_head);
  put(file, stage.load());
  put(file, "\",\"name\":\"");
  put(file, signal.name);
  put(file, "\",\"message\":\"");
  put(file, message);
  put(file, document_tail);
  put_progress(file);
  put_samples(file);
  put(file, "}");
  if (close(file) == 0) {
    rename(part_path, result_path);
  }
}

void on_signal(int number) {
  // A second fault in here, or a file system that hangs, ends the process by the signal itself. All signals
  // are blocked in here, so the alarm is let through; a deadline that passed just now is forgotten before.
  std::signal(SIGALRM, SIG_IGN);
  alarm(10);
  std::signal(SIGALRM, SIG_DFL);
  sigset_t alarm_only;
  sigemptyset(&alarm_only);
  sigaddset(&alarm_only, SIGALRM);
  // Of this thread, as on Linux; pthread_sigmask would need glibc 2.32.
  sigprocmask(SIG_UNBLOCK, &alarm_only, nullptr);
  const Signal* signal = &kSignals[0];
  for (const Signal& candidate : kSignals) {
    if (candidate.number == number) {
      signal = &candidate;
    }
  }
  const char* message = number == SIGABRT && fatal_message[0] ? fatal_message : signal->message;
  for (const auto& path : scratch) {
    if (path[0]) {
      unlink(path);
    }
  }
  if (result_path[0]) {
    write_failure(*signal, message);
  }
  for (const char* text : {"edgeq-runner: ", stage.load(), ": ", signal->name, ": ", message, "\n"}) {
    put(STDERR_FILENO, text);
  }
  _exit(1);
}

bool copy_path(char (&to)[PATH_MAX], const std::string& from) {
  return static_cast<size_t>(std::snprintf(to, PATH_MAX, "%s", from.c_str())) < PATH_MAX;
}

}  // namespace

void enter_stage(const char* name) { stage.store(name); }
const char* current_stage() { return stage.load(); }

void arm_guard(const std::string& path, const std::string& pass) {
  std::snprintf(document_head, sizeof document_head,
                R"({"schema":%d,"pass":"%s","status":"failed","error":{"stage":")", kResultSchema, pass.c_str());
  std::snprintf(document_tail, sizeof document_tail, R"("},"executorch":"%s")", EDGEQ_EXECUTORCH_VERSION);
  if (copy_path(part_path, path + ".part")) {
    copy_path(result_path, path);
  }
  arm_guard();
}

void arm_guard() {
  // A stack of its own, so that an overflow of the ordinary one can be reported too.
  stack_t stack{};
  stack.ss_sp = signal_stack;
  stack.ss_size = sizeof signal_stack;
  sigaltstack(&stack, nullptr);
  struct sigaction action {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_ONSTACK | static_cast<int>(SA_RESETHAND);
  sigfillset(&action.sa_mask);
  for (const Signal& signal : kSignals) {
    sigaction(signal.number, &action, nullptr);
  }
  // A write beyond the file size limit shall be an error (EFBIG), not a signal.
  std::signal(SIGXFSZ, SIG_IGN);
}

void set_deadline(unsigned seconds) { alarm(seconds); }

void note_fatal(const char* message) {
  size_t length = 0;
  for (; *message && length + 1 < sizeof fatal_message; ++message) {
    const auto letter = static_cast<unsigned char>(*message);
    const bool plain = letter >= 0x20 && letter < 0x7f && letter != '"' && letter != '\\';
    fatal_message[length++] = plain ? *message : ' ';
  }
  fatal_message[length] = '\0';
}

void register_samples(const char* data, const std::atomic<size_t>* length) {
  samples_length.store(nullptr);
  samples.store(data);
  samples_length.store(length);
}

void register_progress(const Progress* reached) { progress.store(reached); }

void register_scratch(const std::string& path) {
  for (auto& entry : scratch) {
    if (!entry[0]) {
      copy_path(entry, path);
      return;
    }
  }
}

void forget_scratch(const std::string& path) {
  for (auto& entry : scratch) {
    if (path == entry) {
      entry[0] = '\0';
    }
  }
}

}  // namespace edgeq
