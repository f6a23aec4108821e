#include "tools/command_line.hpp"

int main(int argc, char** argv) { return cuelbo::run_command_line(argc, argv); }
