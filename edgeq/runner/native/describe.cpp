#include "describe.h"

#include "failure.h"
#include "guard.h"
#include "program.h"

#include <nlohmann/json.hpp>

namespace edgeq {
namespace {

using executorch::runtime::MethodMeta;
using executorch::runtime::Tag;
using nlohmann::ordered_json;

ordered_json encode(const TensorMeta& tensor) {
  return {{"dtype", dtype_name(tensor.type)}, {"shape", tensor.shape}, {"nbytes", tensor.bytes}};
}

ordered_json describe_method(const std::string& name, const MethodMeta& meta) {
  ordered_json inputs = ordered_json::array();
  ordered_json outputs = ordered_json::array();
  std::string unsupported;
  for (size_t index = 0; index < meta.num_inputs(); ++index) {
    const std::string input = "input " + std::to_string(index);
    if (unwrap(meta.input_tag(index), "cannot describe " + input) != Tag::Tensor) {
      unsupported = input + " is no tensor";
      continue;
    }
    const TensorMeta tensor = describe_tensor(unwrap(meta.input_tensor_meta(index), "cannot describe " + input));
    if (!find_dtype(tensor.type)) {
      unsupported = input + " has dtype " + dtype_name(tensor.type);
    }
    inputs.push_back(encode(tensor));
  }
  for (size_t index = 0; index < meta.num_outputs(); ++index) {
    const std::string output = "output " + std::to_string(index);
    if (unwrap(meta.output_tag(index), "cannot describe " + output) == Tag::Tensor) {
      outputs.push_back(encode(
          describe_tensor(unwrap(meta.output_tensor_meta(index), "cannot describe " + output))));
    }
  }
  return {{"name", name},
          {"inputs", inputs},
          {"outputs", outputs},
          {"arenas", arena_sizes(meta)},
          {"unsupported", unsupported.empty() ? ordered_json(nullptr) : ordered_json(unsupported)}};
}

}  // namespace

std::string describe_program(const std::string& path) {
  enter_stage("load");
  const LoadedProgram program(path);
  ordered_json methods = ordered_json::array();
  for (const std::string& name : program.methods()) {
    methods.push_back(describe_method(name, program.meta(name)));
  }
  return methods.dump(1, ' ', false, ordered_json::error_handler_t::replace);
}

}  // namespace edgeq
