// What a program says about itself, as JSON: a list of MethodMeta (edgeq/runner/job.py).
#pragma once

#include <string>

namespace edgeq {

// Loads no method and needs no kernels. Throws a Failure.
std::string describe_program(const std::string& path);

}  // namespace edgeq
