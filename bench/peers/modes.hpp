// The modes of cuelbo_peer; cuelbo_peer.cpp describes their arguments. Each ends by serving (serve.hpp).
#pragma once

#include <string>
#include <vector>

namespace cuelbo {

inline constexpr int peer_dataset_size = 60000;  // N of the estimator; the other side has the same number

void peer_training(const std::string& config, const std::string& images, const std::string& result,
                   int checked_steps, const std::vector<std::string>& overrides);
void peer_start(const std::string& config, const std::string& images,
                const std::vector<std::string>& overrides);
void peer_encode(const std::string& config, const std::string& inputs, const std::string& result,
                 const std::vector<std::string>& overrides);
void peer_decode(const std::string& config, const std::string& inputs, const std::string& result,
                 const std::vector<std::string>& overrides);
void peer_decomposition(const std::string& groups, const std::string& codes, const std::string& result,
                        int threads);
void peer_loader(const std::string& name, const std::string& path, const std::string& result_path,
                 int batch_size);

}  // namespace cuelbo
