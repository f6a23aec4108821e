// The files that a command may write: a run directory belongs to one training, and no output replaces an input.
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/io/atomic_file.hpp"
#include "engine/io/npz.hpp"
#include "engine/io/safetensors.hpp"
#include "tests/support/full_disk.hpp"
#include "tests/tools/tiny_run.hpp"

namespace cuelbo::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class Ownership : public TinyTest {
 protected:
  // Every file with a hash of its content, and every directory.
  std::map<std::string, std::string> everything() const {
    std::map<std::string, std::string> files;
    for (const auto& entry : fs::recursive_directory_iterator(directory_.path())) {
      const std::string name = fs::relative(entry.path(), directory_.path());
      files[name] =
          entry.is_regular_file() ? std::to_string(std::hash<std::string>()(content(name))) : "a directory";
    }
    return files;
  }

  // The command is refused with this message, and changes nothing.
  void refuses(const std::vector<std::string>& arguments, const std::string& message, int code = 2) const {
    const auto before = everything();
    EXPECT_TRUE(fails(run(arguments), code, message)) << arguments[0];
    EXPECT_EQ(everything(), before) << arguments[0];
  }
};

TEST_F(Ownership, OfTwoTrainingsInOneNewDirectoryOneRuns) {
  for (int pair = 0; pair < 5; ++pair) {
    const std::string name = "pair" + std::to_string(pair);
    const std::vector<std::string> arguments{"train", "tiny.toml", "--output", name};
    RunningCuelbo first(arguments, directory_.path()), second(arguments, directory_.path());
    const Outcome a = first.wait(), b = second.wait();
    EXPECT_EQ(std::min(a.code, b.code), 0);
    EXPECT_EQ(std::max(a.code, b.code), 1);
    // The other one is over, or was over before this one began.
    const std::string refused = a.code == 1 ? a.err : b.err;
    EXPECT_THAT(refused, ::testing::AnyOf(HasSubstr("is in use: "), HasSubstr("holds a run already")));
    EXPECT_TRUE(fs::exists(path(name) / "checkpoint" / "step-00000040.safetensors"));
    EXPECT_EQ(run({"evaluate", name}).code, 0);
  }
}

TEST_F(Ownership, ARefusedTrainingChangesNothing) {
  train("whole", {"--steps", "60"});
  RunningCuelbo running({"train", "tiny.toml", "--output", "model", "--steps", "1000000000"},
                        directory_.path());
  ASSERT_TRUE(running.wait_for("step 20/"));
  running.signal(SIGSTOP);
  refuses({"train", "--resume", "model", "--steps", "55"}, "is in use: process ", 1);
  refuses({"train", "--resume", "model"}, "is in use: process ", 1);
  refuses({"train", "tiny.toml", "--output", "model", "--seed", "9"}, "'model'", 1);
  refuses({"train", "tiny.toml", "--output", "model/../model/.", "--seed", "9"}, "'model/../model/.'", 1);
  running.signal(SIGCONT);
  running.signal(SIGTERM);
  EXPECT_EQ(running.wait().code, 130);
}

TEST_F(Ownership, TheUsersOwnConfigIsNotReplaced) {
  const std::string mine = "# my comment\n" + content("tiny.toml");
  fs::create_directory(path("mine"));
  write_file(path("mine/config.toml"), mine);
  fs::copy_file(path("images.npy"), path("mine/images.npy"));
  for (const std::string& output : {std::string("."), std::string("../mine"), path("mine").string()}) {
    const Outcome outcome = cuelbo({"train", "config.toml", "--output", output}, path("mine"));
    EXPECT_TRUE(fails(outcome, 1, "'config.toml', which is not a run's")) << output;
  }
  EXPECT_TRUE(fails(cuelbo({"train", "--resume", "."}, path("mine")), 1, "not a run directory"));
  EXPECT_EQ(content("mine/config.toml"), mine);
  EXPECT_EQ(directory_content(path("mine")).size(), 2U);
}

TEST_F(Ownership, AnEmptyOrUnfinishedDirectoryMayBeUsed) {
  fs::create_directory(path("empty"));
  EXPECT_EQ(
      cuelbo({"train", "../tiny.toml", "--output", ".", "--set", "data.path=../images.npy"}, path("empty"))
          .code,
      0);
  RunningCuelbo running({"train", "tiny.toml", "--output", "killed", "--set",
                         "training.validate_every=1000000", "--steps", "1000000000"},
                        directory_.path());
  ASSERT_TRUE(running.wait_for("step 10/"));
  running.signal(SIGKILL);
  running.wait();
  train("killed");
}

TEST_F(Ownership, AnOutputIsNoInput) {
  train();
  fs::copy(path("model"), path("copy"), fs::copy_options::recursive);
  ASSERT_EQ(run({"encode", "model", "-i", "images.npy", "-o", "codes.npz"}).code, 0);
  write_npz(path("pixels.npz"), {{"images", make_array({2, 8, 8}, std::vector<std::uint8_t>(128))}});
  ASSERT_EQ(run({"decode", "model", "-i", "codes.npz", "-o", "decoded.npy"}).code, 0);
  fs::create_symlink("pixels.npz", path("link.npz"));
  fs::create_hard_link(path("pixels.npz"), path("hard.npz"));
  fs::create_directory_symlink(".", path("here"));
  for (const std::string& same :
       {std::string("pixels.npz"), std::string("./pixels.npz"), path("pixels.npz").string(),
        std::string("here/pixels.npz"), std::string("link.npz"), std::string("hard.npz")}) {
    refuses({"encode", "model", "-i", "pixels.npz", "-o", same}, "is the input 'pixels.npz'");
    refuses({"encode", "model", "-i", same, "-o", "pixels.npz"}, "is the input '");
  }
  refuses({"encode", "model", "-i", "images.npy", "-o", "images.npy"}, "must end in .npz");
  refuses({"decode", "model", "-i", "codes.npz", "-o", "codes.npz"}, "is the input");
  // A run's checkpoints, and what would be taken for one of them.
  refuses({"export", "model", "-o", "model/checkpoint/best.safetensors"},
          "-o 'model/checkpoint/best.safetensors' belongs to the run '");
  refuses({"export", "model", "-o", "model/checkpoint/step-00000099.safetensors"}, "' belongs to the run '");
  refuses({"export", "model", "-o", "here/model/checkpoint/step-00000040.safetensors"},
          "' belongs to the run '");
  write_npz(path("call.npz"), {{"a", make_array({4}, std::vector<float>(4))}});
  refuses({"kernels", "run", "add", "--device", "cpu", "--shape", "count=4", "--random", "-i", "call.npz",
           "-o", "here/call.npz"},
          "is the input 'call.npz'");
  refuses({"export", "model", "-o", "copy/checkpoint/best.safetensors"}, "' belongs to the run '");
  // Its data.
  fs::copy_file(path("images.npy"), path("other.npy"));
  refuses({"decode", "model", "-i", "codes.npz", "-o", "here/images.npy"}, "is the input '");
  EXPECT_EQ(run({"decode", "model", "-i", "codes.npz", "-o", "decoded.npy"}).code, 0);  // may be repeated
  // A folder of pictures, which a new picture would join; other files may be there.
  fs::create_directory(path("photos"));
  ASSERT_EQ(run({"traverse", "model", "-o", "photos/a.png"}).code, 0);
  fs::copy_file(path("photos/a.png"), path("photos/z.png"));
  train("wide", {"--set", "data.name=images", "--set", "data.path=photos", "--set", "data.test_fraction=0",
                 "--set", "data.validation_fraction=0", "--set", "data.batch_size=2"});
  refuses({"traverse", "wide", "-o", "photos/b.png"}, "is inside the input '");
  EXPECT_TRUE(
      fails(cuelbo({"traverse", "../wide", "-o", "b.png"}, path("photos")), 2, "is inside the input '"));
  refuses({"traverse", "wide", "-o", "here/photos/a.png"}, "is inside the input '");
  EXPECT_EQ(cuelbo({"encode", "../wide", "-i", ".", "-o", "codes.npz"}, path("photos")).code, 0);
}

// Results of one run do not replace those of another.
TEST_F(Ownership, AnOutputIsNoFileOfAnotherRun) {
  train();
  train("other");
  for (const char* name : {"model", "other"}) {
    ASSERT_TRUE(succeeds(run({"evaluate", name})));
    ASSERT_TRUE(succeeds(run({"report", name})));
  }
  ASSERT_TRUE(succeeds(run({"export", "model", "-o", "model.safetensors"})));
  fs::create_symlink("other/evaluation.json", path("link.json"));
  fs::create_directory_symlink("other", path("here"));
  const std::string message =
      "' belongs to the run '" + fs::canonical(path("other")).string() + "': name another";
  for (const char* output :
       {"other/evaluation.json", "here/evaluation.json", "link.json", "other/pictures/x.json"})
    refuses({"evaluate", "model", "-o", output}, "-o '" + std::string(output) + message);
  refuses({"evaluate", "model.safetensors", "--data", "images.npy", "-o", "other/evaluation.json"}, message);
  refuses({"report", "model", "-o", "other/report.html"}, message);
  refuses({"traverse", "model", "-o", "other/pictures/samples.png"}, message);
  refuses({"kernels", "report", "add", "-o", "other/report.html"}, message);
  for (const char* folder : {"other", "here/", "other/pictures", "other/checkpoint"})
    refuses({"kernels", "report", "add", "-o", folder}, message);
  refuses({"train", "tiny.toml", "--output", "other/pictures"}, "' belongs to the run '", 1);
  refuses({"train", "tiny.toml", "--output", "here/checkpoint"}, "' belongs to the run '", 1);
  // Its own evaluation is of its own data.
  refuses({"evaluate", "model", "--data", "images.npy", "-o", "model/evaluation.json"},
          "' belongs to the run '");
  // Where it has not been evaluated or reported, and from inside.
  fs::remove(path("other/report.html"));
  fs::remove(path("other/evaluation.json"));
  EXPECT_TRUE(fails(cuelbo({"evaluate", "../model", "-o", "evaluation.json"}, path("other")), 2, message));
  EXPECT_TRUE(fails(cuelbo({"report", "../model", "-o", "report.html"}, path("other")), 2, message));
  // Its own files, and other names.
  EXPECT_TRUE(succeeds(run({"evaluate", "model", "-o", "model/evaluation.json"})));
  EXPECT_TRUE(succeeds(run({"report", "model", "-o", "model/report.html"})));
  EXPECT_TRUE(succeeds(run({"evaluate", "model", "-o", "other/of-model.json"})));
  EXPECT_TRUE(succeeds(run({"encode", "model", "-i", "images.npy", "-o", "other/codes.npz"})));
}

TEST_F(Ownership, TheSuffixIsTheFormat) {
  train();
  ASSERT_EQ(run({"encode", "model", "-i", "images.npy", "-o", "codes.npz"}).code, 0);
  refuses({"traverse", "model", "-o", "grid.jpg"}, "'grid.jpg': the name must end in .png");
  refuses({"traverse", "model", "-o", "grid"}, ".png");
  refuses({"encode", "model", "-i", "images.npy", "-o", "codes.csv"}, ".npz");
  refuses({"decode", "model", "-i", "codes.npz", "-o", "pic.png"}, ".npy");
  refuses({"export", "model", "-o", "model.pt"}, ".safetensors");
  refuses({"evaluate", "model", "-o", "evaluation.txt"}, ".json");
  refuses({"report", "model", "-o", "report.pdf"}, ".html");
  refuses({"data", "dsprites", "--where", "shape=heart,scale=1,posX<0.01", "-o", "x.npy"}, ".npz");
  refuses({"kernels", "run", "add", "--device", "cpu", "-o", "out.npy"}, ".npz");
  refuses({"kernels", "run", "add", "--device", "cpu", "-o", "-"}, "standard output holds the results");
  refuses({"kernels", "report", "-o", "lab.pdf"}, ".html");
  refuses({"kernels", "report", "-o", "-"}, ".html");
  EXPECT_EQ(run({"traverse", "model", "-o", "GRID.PNG"}).code, 0);
}

TEST_F(Ownership, OutputsGoToStandardOutputWhereAsked) {
  train();
  ASSERT_EQ(run({"encode", "model", "-i", "images.npy", "-o", "codes.npz"}).code, 0);
  ASSERT_EQ(run({"export", "model", "-o", "model.safetensors"}).code, 0);
  const auto before = everything();
  const auto written = [&](const std::vector<std::string>& arguments) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 0) << outcome.err;
    return outcome.out;
  };
  EXPECT_EQ(written({"encode", "model", "-i", "images.npy", "-o", "-"}), content("codes.npz"));
  EXPECT_EQ(written({"export", "model", "-o", "-"}), content("model.safetensors"));
  EXPECT_THAT(written({"decode", "model", "-i", "codes.npz", "-o", "-"}), ::testing::StartsWith("\x93NUMPY"));
  EXPECT_THAT(written({"traverse", "model", "-o", "-"}), ::testing::StartsWith("\x89PNG"));
  EXPECT_THAT(written({"evaluate", "model", "-o", "-"}), ::testing::StartsWith("{\n"));
  EXPECT_THAT(written({"report", "model", "-o", "-"}), ::testing::StartsWith("<!"));
  EXPECT_THAT(written({"data", "dsprites", "--where", "shape=heart,scale=1,posX<0.01", "-o", "-"}),
              ::testing::StartsWith("PK"));
  EXPECT_EQ(everything(), before);
  RunningCuelbo terminal({"encode", "model", "-i", "images.npy", "-o", "-"}, directory_.path(),
                         {.terminal_columns = 80});
  const Outcome refused = terminal.wait();
  EXPECT_EQ(refused.code, 2);
  EXPECT_THAT(refused.out, HasSubstr("standard output is a terminal"));
  EXPECT_TRUE(fails(
      cuelbo_in_shell(R"(TMPDIR=nowhere exec "$0" "$@")", {"export", "model", "-o", "-"}, directory_.path()),
      1, "TMPDIR is 'nowhere'"));
}

TEST_F(Ownership, AnEvaluationIsShownEvenIfItCannotBeStored) {
  train();
  const Outcome stored = run({"evaluate", "model"});
  fs::create_directory(path("elsewhere"));
  ASSERT_EQ(run({"evaluate", "model", "-o", "elsewhere/a.json"}).code, 0);
  EXPECT_EQ(content("elsewhere/a.json"), content("model/evaluation.json"));
  fs::remove(path("model/evaluation.json"));
  ASSERT_EQ(run({"report", "model", "-o", "elsewhere/a.html"}).code, 0);
  EXPECT_FALSE(fs::exists(path("model/report.html")) || fs::exists(path("model/pictures")));
  // A directory in its place keeps root out too.
  fs::create_directory(path("model/evaluation.json"));
  const Outcome shown = run({"evaluate", "model"});
  EXPECT_EQ(shown.code, 1);
  EXPECT_EQ(shown.out, stored.out);
  EXPECT_THAT(shown.err, HasSubstr("evaluation.json': Is a directory; -o FILE.json stores it elsewhere"));
}

TEST_F(Ownership, ARunOneMayOnlyReadCanBeUsed) {
  train();
  for (const auto& entry : fs::recursive_directory_iterator(directory_.path()))
    fs::permissions(entry.path(), entry.is_directory() ? fs::perms{0555} : fs::perms{0444});
  fs::permissions(directory_.path(), fs::perms::all);
  const WithoutRoot user;
  if (!user.holds()) GTEST_SKIP() << "root may write anywhere";
  // The effective user does not outlive exec, so the real one changes in the shell.
  const std::string as_nobody = R"(exec setpriv --reuid 65534 --clear-groups "$0" "$@")";
  const auto as_user = [&](const std::vector<std::string>& arguments) {
    return cuelbo_in_shell(as_nobody, arguments, directory_.path());
  };
  if (as_user({"--version"}).code != 0) GTEST_SKIP() << "this user may not become another";
  const Outcome shown = as_user({"evaluate", "model"});
  EXPECT_EQ(shown.code, 1);
  EXPECT_THAT(shown.out, HasSubstr("ELBO"));
  EXPECT_THAT(shown.err, HasSubstr("-o FILE.json"));
  EXPECT_EQ(as_user({"evaluate", "model", "-o", "mine.json"}).code, 0);
  EXPECT_EQ(as_user({"report", "model", "-o", "mine.html"}).code, 0);
  EXPECT_EQ(as_user({"encode", "model", "-i", "images.npy", "-o", "codes.npz"}).code, 0);
}

TEST_F(Ownership, WithNothingLeftToDoTheConfigStays) {
  train();
  for (const char* steps : {"30", "40"}) {
    const auto before = everything();
    const Outcome outcome = run({"train", "--resume", "model", "--steps", steps});
    EXPECT_EQ(outcome.code, 0);
    EXPECT_THAT(outcome.err, HasSubstr("nothing left to do: 'model' has done 40 steps"));
    EXPECT_EQ(everything(), before);
  }
}

TEST_F(Ownership, ARunDirectoryIsNoConfig) {
  train("a run");
  EXPECT_TRUE(fails(run({"train", "a run"}), 2, "did you mean --resume 'a run'?"));
  EXPECT_TRUE(fails(run({"train", "./a run/"}), 2, "did you mean --resume './a run/'?"));
}

TEST_F(Ownership, SuggestedCommandsSurviveAShell) {
  const Outcome outcome = run({"train", "tiny.toml", "--output", "it's a $run"});
  const std::size_t at = outcome.err.find("next: ");
  const std::string text = at == std::string::npos ? outcome.out : outcome.err;
  const std::size_t begin = text.find("next: cuelbo ");
  ASSERT_NE(begin, std::string::npos) << text;
  std::string command = text.substr(begin + 13, text.find(" && ", begin) - begin - 13);
  const Outcome evaluated = cuelbo_in_shell("exec \"$0\" " + command, {}, directory_.path());
  EXPECT_EQ(evaluated.code, 0) << command << evaluated.err;
}

TEST_F(Ownership, ALauncherOfSeveralProcessesIsRefused) {
  for (const std::string& variable :
       {std::string("OMPI_COMM_WORLD_SIZE=2"), std::string("PMI_SIZE=4"),
        std::string("MV2_COMM_WORLD_SIZE=2"), std::string("SLURM_STEP_NUM_TASKS=2"),
        std::string("PMIX_RANK=1"), std::string("FLUX_JOB_SIZE=3")}) {
    const Outcome outcome = cuelbo_in_shell("exec env " + variable + R"( "$0" "$@")",
                                            {"train", "tiny.toml", "--output", "model"}, directory_.path());
    EXPECT_TRUE(fails(outcome, 1, variable));
    EXPECT_FALSE(fs::exists(path("model")));
  }
  // One process, and the script of a batch job, which has more tasks than processes.
  const std::string alone =
      "exec env OMPI_COMM_WORLD_SIZE=1 PMI_SIZE=1 PMIX_RANK=0 SLURM_STEP_NUM_TASKS=1 SLURM_NTASKS=8 "
      R"(SLURM_PROCID=0 "$0" "$@")";
  EXPECT_EQ(cuelbo_in_shell(alone, {"train", "tiny.toml", "--output", "model"}, directory_.path()).code, 0);
}

TEST_F(Ownership, AnUnknownInstructionSetIsOneLine) {
  const std::string script = R"(exec env CUELBO_ISA=avx1024 "$0" "$@")";
  const Outcome outcome = cuelbo_in_shell(
      script, {"train", "tiny.toml", "--device", "cpu", "--output", "model"}, directory_.path());
  EXPECT_TRUE(fails(outcome, 2, "CUELBO_ISA: unknown instruction set avx1024; usable here: "));
  EXPECT_THAT(outcome.err, HasSubstr("baseline"));
  const Outcome devices = cuelbo_in_shell(script, {"devices"}, directory_.path());
  EXPECT_EQ(devices.code, 0);
  EXPECT_THAT(devices.out, HasSubstr("CUELBO_ISA: unknown instruction set avx1024"));
}

}  // namespace
}  // namespace cuelbo::test
