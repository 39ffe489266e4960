// Reads one sensor: the content of its files, or what a command prints. What it means is not decided here.
#pragma once

#include "job.h"

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace edgeq {

// What a reading gave: its text, or why there is none. Fixed room: reading allocates nothing.
struct Reading {
  static constexpr size_t kRoom = 8192;
  bool good = false;
  size_t length = 0;
  char text[kRoom];

  std::string_view view() const { return {text, length}; }
};

// CPU time of commands that were run, in nanoseconds, is added to `children`.
//
// Files: their contents without the white space at their end, joined by newlines. They are opened anew each
// time, since a device that went away leaves nothing behind but its open files.
void read_sensor(const Sensor& sensor, Reading& reading, int64_t& children);

}  // namespace edgeq
