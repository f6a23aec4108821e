#include "bench/peers/serve.hpp"

#include <chrono>
#include <cstdio>
#include <ctime>
#include <iostream>

#include "engine/error.hpp"

namespace cuelbo {

namespace {

using Clock = std::chrono::steady_clock;

template <class Period>
double since(Clock::time_point start) {
  return std::chrono::duration<double, Period>(Clock::now() - start).count();
}

nlohmann::json run(const std::function<void()>& call, const std::function<void()>& finish, int count) {
  const std::clock_t cpu_start = std::clock();
  const auto start = Clock::now();
  for (int i = 0; i < count; ++i) call();
  finish();
  return {{"ms", since<std::milli>(start) / count},
          {"cpu_ms", 1e3 * static_cast<double>(std::clock() - cpu_start) / CLOCKS_PER_SEC / count}};
}

nlohmann::json calls(const std::function<void()>& call, int count) {
  std::vector<double> times(static_cast<std::size_t>(count));
  for (double& time : times) {
    const auto start = Clock::now();
    call();
    time = since<std::micro>(start);
  }
  return {{"us", times}};
}

}  // namespace

void answer(const nlohmann::json& json) { std::cout << json.dump() << '\n' << std::flush; }

void serve(const std::function<void()>& call, const std::function<void()>& finish) {
  for (std::string line; std::getline(std::cin, line);) {
    int count = 0;
    if (std::sscanf(line.c_str(), "run %d", &count) == 1 && count > 0) {
      answer(run(call, finish, count));
    } else if (std::sscanf(line.c_str(), "calls %d", &count) == 1 && count > 0) {
      answer(calls(call, count));
    } else {
      usage_fail("'{}' is neither 'run N' nor 'calls N'", line);
    }
  }
}

void Result::add_parameters(ParameterSet& parameters) {
  for (int i = 0; i < std::ssize(parameters.parameters()); ++i)
    add("value." + parameters.parameter(i).name, parameters.parameter(i).shape, parameters.read(i));
}

}  // namespace cuelbo
