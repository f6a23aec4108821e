#include "kernels/runtime/simt/checked/profiler.hpp"

#include <algorithm>
#include <iterator>
#include <tuple>

namespace cuelbo::simt::checked {

namespace {

using Kind = AccessProfile::Kind;

constexpr Address sector_bytes = 32, line_bytes = 128, word_bytes = 4;
constexpr unsigned banks = 32;

// The distinct units of this size that the accesses touch.
std::vector<Address> units(const std::vector<Address>& begins, unsigned bytes, Address size) {
  std::vector<Address> touched;
  for (const Address begin : begins)
    for (Address unit = begin / size; unit <= (begin + bytes - 1) / size; ++unit) touched.push_back(unit);
  std::ranges::sort(touched);
  touched.erase(std::ranges::unique(touched).begin(), touched.end());
  return touched;
}

// The distinct bytes that the accesses touch.
std::size_t distinct_bytes(std::vector<Address> begins, unsigned bytes) {
  std::ranges::sort(begins);
  std::size_t distinct = 0;
  Address end = 0;
  for (const Address begin : begins) {
    distinct += begin + bytes - std::max(begin, std::min(end, begin + bytes));
    end = begin + bytes;
  }
  return distinct;
}

// Lanes are served by as many as make 128 bytes: 32 of 4 bytes, 16 of 8, 8 of 16.
void count_wavefronts(const Address (&addresses)[warp_size], unsigned lanes, unsigned bytes,
                      AccessProfile& to) {
  const int together = static_cast<int>(std::max<Address>(1, line_bytes / bytes));
  for (int first = 0; first < warp_size; first += together) {
    std::vector<Address> begins;
    for (int lane = first; lane < std::min(first + together, warp_size); ++lane)
      if ((lanes >> lane & 1) != 0) begins.push_back(addresses[lane]);
    if (begins.empty()) continue;
    const std::vector<Address> words = units(begins, bytes, word_bytes);
    std::int64_t depth[banks] = {};
    for (const Address word : words) ++depth[word % banks];
    to.wavefronts += *std::ranges::max_element(depth);
    to.ideal_wavefronts += static_cast<std::int64_t>((words.size() + banks - 1) / banks);
  }
}

}  // namespace

// A lane comes to a place in straight code once.
void Profiler::access(const BlockRunner& runner, Address address, unsigned bytes, Kind kind, bool shared,
                      Site site) {
  std::vector<Request>& requests = requests_[static_cast<std::size_t>(runner.running() / warp_size)];
  const Key key{site, kind, shared, bytes};
  auto request = std::ranges::find(requests, key, &Request::key);
  if (request == requests.end())
    request = requests.insert(request, Request{.key = key, .live_lanes = runner.live_lanes()});
  request->lanes |= 1U << runner.lane();
  request->addresses[runner.lane()] = address;
}

void Profiler::finish(int warp) {
  std::vector<Request>& requests = requests_[static_cast<std::size_t>(warp)];
  for (const Request& request : requests) count(request);
  requests.clear();
}

void Profiler::end_block() {
  for (int warp = 0; warp < std::ssize(requests_); ++warp) finish(warp);
}

void Profiler::count(const Request& request) {
  const auto [site, kind, shared, bytes] = request.key;
  AccessProfile& to = counts_[request.key];
  std::vector<Address> begins;
  for (int lane = 0; lane < warp_size; ++lane)
    if ((request.lanes >> lane & 1) != 0) begins.push_back(request.addresses[lane]);
  ++to.requests;
  to.lanes += std::ssize(begins);
  if (request.lanes != request.live_lanes) ++to.divergent;
  if (kind == Kind::atomic) {
    std::vector<Address> sorted = begins;
    std::ranges::sort(sorted);
    std::ptrdiff_t most = 0;
    for (auto i = sorted.begin(); i != sorted.end();) {
      const auto end = std::upper_bound(i, sorted.end(), *i);
      most = std::max(most, end - i);
      i = end;
    }
    to.serialized += most;
  }
  if (shared) {
    count_wavefronts(request.addresses, request.lanes, bytes, to);
    return;
  }
  const std::vector<Address> sectors = units(begins, bytes, sector_bytes);
  to.sectors += std::ssize(sectors);
  to.ideal_sectors +=
      static_cast<std::int64_t>((distinct_bytes(begins, bytes) + sector_bytes - 1) / sector_bytes);
  to.cache_lines += std::ssize(units(begins, bytes, line_bytes));
  if (kind != Kind::store) loaded_.insert(sectors.begin(), sectors.end());
  if (kind != Kind::load) stored_.insert(sectors.begin(), sectors.end());
}

Profile Profiler::result(const Module& module) {
  std::vector<Site> sites;
  for (const auto& [key, counts] : counts_) sites.push_back(key.site);
  const std::vector<Location> places = source_lines(module, sites);

  // Several places in the code may come from one line: of an unrolled loop, say.
  std::map<std::tuple<std::string, int, Kind, bool, unsigned>, AccessProfile> lines;
  Profile profile;
  auto place = places.begin();
  for (const auto& [key, counts] : counts_) {
    const auto [site, kind, shared, bytes] = key;
    AccessProfile& to = lines[{place->file, place->line, kind, shared, bytes}];
    to.requests += counts.requests;
    to.lanes += counts.lanes;
    to.divergent += counts.divergent;
    to.sectors += counts.sectors;
    to.ideal_sectors += counts.ideal_sectors;
    to.cache_lines += counts.cache_lines;
    to.wavefronts += counts.wavefronts;
    to.ideal_wavefronts += counts.ideal_wavefronts;
    to.serialized += counts.serialized;
    const auto moved = counts.sectors * static_cast<std::int64_t>(sector_bytes);
    if (kind != Kind::store) profile.loaded += moved;
    if (kind != Kind::load) profile.stored += moved;
    ++place;
  }
  for (auto& [key, counts] : lines) {
    std::tie(counts.file, counts.line, counts.kind, counts.shared, counts.bytes) = key;
    profile.lines.push_back(counts);
  }
  profile.must_load = std::ssize(loaded_) * static_cast<std::int64_t>(sector_bytes);
  profile.must_store = std::ssize(stored_) * static_cast<std::int64_t>(sector_bytes);
  return profile;
}

}  // namespace cuelbo::simt::checked
