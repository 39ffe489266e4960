#include "result.h"

#include "beside_file.h"

#include <nlohmann/json.hpp>

namespace edgeq {
namespace {

using nlohmann::ordered_json;

template <typename T>
ordered_json or_null(const std::optional<T>& value) {
  return value ? ordered_json(*value) : ordered_json(nullptr);
}

ordered_json encode(const Times& times) {
  return {{"load", times.load},     {"init", times.init},         {"first", times.first},
          {"warmup", times.warmup}, {"measured", times.measured}, {"starts", times.starts}, {"empty", times.empty}};
}

ordered_json encode(const std::vector<MemoryStage>& stages) {
  ordered_json list = ordered_json::array();
  for (const MemoryStage& memory : stages) {
    list.push_back({{"stage", memory.stage},
                    {"rss", or_null(memory.rss)},
                    {"hwm", or_null(memory.hwm)},
                    {"heap", memory.heap},
                    {"pss", or_null(memory.pss)}});
  }
  return list;
}

ordered_json encode(const std::optional<Sampled>& sampled) {
  if (!sampled) {
    return nullptr;
  }
  return {{"samples", ordered_json::parse("[" + sampled->samples + "]")},
          {"began", sampled->began},
          {"ended", sampled->ended},
          {"cpu_time", sampled->cpu_time},
          {"idle", sampled->idle},
          {"unanswered", sampled->unanswered < 0 ? ordered_json(nullptr) : ordered_json(sampled->unanswered)}};
}

}  // namespace

void write_result(const std::string& path, const Job& job, const Result& result, const Failure* failure) {
  ordered_json document = {{"schema", kResultSchema}, {"pass", job.pass_name}, {"status", failure ? "failed" : "ok"}};
  document["error"] = nullptr;
  if (failure) {
    document["error"] = {{"stage", failure->stage}, {"name", failure->name}, {"message", failure->what()}};
  }
  document["executorch"] = EDGEQ_EXECUTORCH_VERSION;
  document["threads"] = result.threads;
  document["samples"] = result.samples;
  document["arenas"] = result.arenas;
  document["times"] = result.times ? encode(*result.times) : ordered_json(nullptr);
  document["warmup_stopped_by"] = or_null(result.warmup_stopped_by);
  document["stopped_by"] = or_null(result.stopped_by);
  document["memory"] = encode(result.memory);
  document["cached"] = or_null(result.cached);
  document["sampled"] = encode(result.sampled);
  // A damaged program's names may hold any bytes: those that are no UTF-8 are replaced.
  const std::string text = document.dump(-1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
  BesideFile file(path);
  file.write_at(0, text.data(), text.size());
  file.commit();
}

}  // namespace edgeq
