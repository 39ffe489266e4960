#include "job.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <initializer_list>
#include <limits>
#include <string_view>

namespace edgeq {
namespace {

using nlohmann::json;

constexpr int kJobSchema = 1;
constexpr int64_t kMostThreads = 1024;
constexpr int64_t kMostCount = 1'000'000'000;
constexpr int64_t kMostDeadline = 30 * 24 * 3600;
constexpr size_t kMostTexts = 64;
constexpr double kLeastInterval = 0.001;
constexpr double kMostInterval = 3600;

[[noreturn]] void bad(const std::string& key, const std::string& problem) {
  throw BadJob("job key '" + key + "': " + problem);
}

void check_keys(const json& object, const std::string& where, std::initializer_list<std::string_view> known) {
  for (const auto& [key, value] : object.items()) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      std::string names;
      for (const auto& name : known) {
        names += (names.empty() ? "" : ", ") + std::string(name);
      }
      throw BadJob("unknown job key '" + where + key + "'; the keys are " + names);
    }
  }
}

const json& need(const json& object, const std::string& key) {
  const auto found = object.find(key);
  if (found == object.end()) {
    throw BadJob("job key '" + key + "' is missing");
  }
  return *found;
}

std::string text(const json& value, const std::string& key) {
  if (!value.is_string() || value.get_ref<const std::string&>().empty()) {
    bad(key, "expected a text that is not empty, got " + value.dump());
  }
  return value.get<std::string>();
}

int64_t integer(const json& value, const std::string& key, int64_t least, int64_t most) {
  // A number above the signed range is one of the unsigned kind.
  const bool fits = value.is_number_integer() &&
                    (!value.is_number_unsigned() ||
                     value.get<uint64_t>() <= static_cast<uint64_t>(std::numeric_limits<int64_t>::max()));
  if (!fits || value.get<int64_t>() < least || value.get<int64_t>() > most) {
    bad(key, "expected an integer from " + std::to_string(least) + " to " + std::to_string(most) + ", got " +
                 value.dump());
  }
  return value.get<int64_t>();
}

double number(const json& value, const std::string& key) {
  if (!value.is_number() || !std::isfinite(value.get<double>()) || value.get<double>() < 0) {
    bad(key, "expected a number that is not negative, got " + value.dump());
  }
  return value.get<double>();
}

const json& pair(const json& value, const std::string& key) {
  if (!value.is_array() || value.size() != 2) {
    bad(key, "expected a list of two, got " + value.dump());
  }
  return value;
}

void read_pass(const json& document, Job& job) {
  job.pass_name = text(need(document, "pass"), "pass");
  if (job.pass_name == "latency") {
    job.pass = Pass::latency;
  } else if (job.pass_name == "memory") {
    job.pass = Pass::memory;
  } else if (job.pass_name == "outputs") {
    job.pass = Pass::outputs;
  } else if (job.pass_name == "operators") {
    job.pass = Pass::operators;
  } else {
    bad("pass", "expected latency, memory, outputs or operators, got '" + job.pass_name + "'");
  }
  const auto optional_path = [&](const char* key, Pass needed_by) {
    const auto found = document.find(key);
    if (found != document.end() && !found->is_null()) {
      return text(*found, key);
    }
    if (job.pass == needed_by) {
      bad(key, "the " + job.pass_name + " pass needs it");
    }
    return std::string();
  };
  job.outputs = optional_path("outputs", Pass::outputs);
  job.etdump = optional_path("etdump", Pass::operators);
}

void read_span(const json& document, const char* key, double& least, double& most) {
  if (const auto found = document.find(key); found != document.end()) {
    const json& bounds = pair(*found, key);
    least = number(bounds[0], key);
    most = number(bounds[1], key);
  }
  if (least > most) {
    bad(key, "the least is above the most");
  }
}

void read_bounds(const json& document, Job& job) {
  if (const auto found = document.find("iterations"); found != document.end()) {
    const json& bounds = pair(*found, "iterations");
    job.least_iterations = static_cast<size_t>(integer(bounds[0], "iterations", 1, kMostCount));
    job.most_iterations = static_cast<size_t>(integer(bounds[1], "iterations", 1, kMostCount));
  }
  if (job.least_iterations > job.most_iterations) {
    bad("iterations", "the least is above the most");
  }
  read_span(document, "seconds", job.least_seconds, job.most_seconds);
  read_span(document, "warmup_seconds", job.least_warmup_seconds, job.most_warmup_seconds);
}

// A window of values and how far apart they may lie: what `agreement` and `steady` have in common.
template <typename Rule>
std::optional<Rule> read_rule(const json& document, const std::string& key, int64_t least_window) {
  const auto found = document.find(key);
  if (found == document.end() || found->is_null()) {
    return std::nullopt;
  }
  if (!found->is_object()) {
    bad(key, "expected an object, got " + found->dump());
  }
  check_keys(*found, key + ".", {"window", "spread"});
  return Rule{static_cast<size_t>(integer(need(*found, "window"), key + ".window", least_window, kMostCount)),
              number(need(*found, "spread"), key + ".spread")};
}

void read_pace(const json& document, Job& job) {
  const auto optional_number = [&](const char* key) {
    const auto found = document.find(key);
    return found == document.end() || found->is_null() ? 0.0 : number(*found, key);
  };
  job.rate = optional_number("rate");
  job.pause = optional_number("pause");
  if (job.rate > 0 && job.pause > 0) {
    bad("pause", "a fixed rate leaves no pause to choose");
  }
}

std::vector<std::string> read_texts(const json& object, const std::string& key) {
  std::vector<std::string> texts;
  const auto found = object.find(key);
  if (found == object.end()) {
    return texts;
  }
  if (!found->is_array() || found->size() > kMostTexts) {
    bad("sampling.sensors." + key, "expected a list of at most " + std::to_string(kMostTexts) + " texts, got " +
                                       found->dump());
  }
  for (const json& each : *found) {
    texts.push_back(text(each, "sampling.sensors." + key));
  }
  return texts;
}

Sensor read_job_sensor(const json& object) {
  if (!object.is_object()) {
    bad("sampling.sensors", "expected objects, got " + object.dump());
  }
  check_keys(object, "sampling.sensors.", {"files", "command", "room", "every"});
  Sensor sensor{read_texts(object, "files"), read_texts(object, "command")};
  if (const auto found = object.find("room"); found != object.end() && !found->is_null()) {
    sensor.room = static_cast<size_t>(integer(*found, "sampling.sensors.room", 1, kMostCount));
  }
  if (const auto found = object.find("every"); found != object.end()) {
    sensor.every = integer(*found, "sampling.sensors.every", 1, kMostCount);
  }
  if (sensor.files.empty() == sensor.command.empty()) {
    bad("sampling.sensors", "each needs either files or a command, got " + object.dump());
  }
  return sensor;
}

void read_sampling(const json& document, Job& job) {
  const auto found = document.find("sampling");
  if (found == document.end() || found->is_null()) {
    return;
  }
  if (!found->is_object()) {
    bad("sampling", "expected an object, got " + found->dump());
  }
  if (job.pass != Pass::latency) {
    bad("sampling", "only the latency pass samples");
  }
  check_keys(*found, "sampling.", {"interval", "cpu", "idle", "sensors"});
  Sampling plan;
  plan.interval = number(need(*found, "interval"), "sampling.interval");
  if (plan.interval < kLeastInterval || plan.interval > kMostInterval) {
    bad("sampling.interval", "expected seconds from 0.001 to 3600, got " + found->at("interval").dump());
  }
  if (const auto cpu = found->find("cpu"); cpu != found->end() && !cpu->is_null()) {
    plan.cpu = static_cast<int>(integer(*cpu, "sampling.cpu", 0, kMostThreads - 1));
  }
  if (const auto idle = found->find("idle"); idle != found->end()) {
    plan.idle_before = number(pair(*idle, "sampling.idle")[0], "sampling.idle");
    plan.idle_after = number((*idle)[1], "sampling.idle");
  }
  const json& sensors = need(*found, "sensors");
  if (!sensors.is_array() || sensors.size() > kMostTexts) {
    bad("sampling.sensors", "expected a list of at most " + std::to_string(kMostTexts));
  }
  for (const json& sensor : sensors) {
    plan.sensors.push_back(read_job_sensor(sensor));
  }
  job.sampling = std::move(plan);
}

void read_machine(const json& document, Job& job) {
  const auto optional_integer = [&](const char* key, int64_t least, int64_t most, int64_t fallback) {
    const auto found = document.find(key);
    return found == document.end() ? fallback : integer(*found, key, least, most);
  };
  job.threads = static_cast<uint32_t>(optional_integer("threads", 1, kMostThreads, job.threads));
  job.warmup = static_cast<size_t>(optional_integer("warmup", 0, kMostCount, static_cast<int64_t>(job.warmup)));
  job.deadline = static_cast<unsigned>(optional_integer("deadline", 1, kMostDeadline, job.deadline));
  if (const auto found = document.find("cpus"); found != document.end()) {
    if (!found->is_array()) {
      bad("cpus", "expected a list of core numbers, got " + found->dump());
    }
    for (const json& cpu : *found) {
      job.cpus.push_back(static_cast<int>(integer(cpu, "cpus", 0, kMostThreads - 1)));
    }
  }
}

}  // namespace

Job read_job(const std::string& path) {
  std::ifstream file(path);
  if (!file) {
    throw BadJob("cannot open job file " + path + ": " + std::strerror(errno));
  }
  const json document = json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (document.is_discarded()) {
    throw BadJob("job file " + path + " is not JSON");
  }
  if (!document.is_object()) {
    throw BadJob("job file " + path + " holds no object");
  }
  check_keys(document, "", {"schema", "pass", "program", "inputs", "method", "outputs", "etdump", "threads", "cpus",
                            "warmup", "warmup_seconds", "steady", "iterations", "seconds", "agreement", "rate",
                            "pause", "sampling", "deadline"});
  if (const json& schema = need(document, "schema"); schema != kJobSchema) {
    bad("schema", "this runner reads " + std::to_string(kJobSchema) + ", got " + schema.dump());
  }
  Job job;
  read_pass(document, job);
  job.program = text(need(document, "program"), "program");
  job.inputs = text(need(document, "inputs"), "inputs");
  if (const auto found = document.find("method"); found != document.end()) {
    job.method = text(*found, "method");
  }
  read_bounds(document, job);
  job.agreement = read_rule<Agreement>(document, "agreement", 2);
  job.steady = read_rule<Steady>(document, "steady", 1);
  read_pace(document, job);
  read_sampling(document, job);
  read_machine(document, job);
  return job;
}

}  // namespace edgeq
