//! Tests that need more than Rust and a C compiler. Where a machine lacks something they are
//! skipped, and the run says so once, at its end, with the packages to install. `QMSG_TESTS=all`
//! turns a skip into a failure, and `QMSG_TESTS_LACK='jq script'` simulates a machine without
//! these.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, Once};

/// A program or right that a test needs.
struct Need {
    name: &'static str,
    /// Command that ends with 0 where the need is met.
    probe: &'static [&'static str],
    /// Debian packages that bring it; none for a right.
    packages: &'static [&'static str],
    /// Advice where packages are not enough.
    advice: &'static str,
}

const NEEDS: &[Need] = &[
    tool("jq", &["jq", "--version"], &["jq"]),
    tool("script", &["script", "--version"], &["bsdutils"]),
    Need {
        name: "strace",
        probe: &["strace", "-D", "-f", "--seccomp-bpf", "-o", "/dev/null", "true"],
        packages: &["strace"],
        advice: "and the right to trace processes (--cap-add SYS_PTRACE of a container)",
    },
    Need {
        name: "libfaketime",
        probe: &[
            "/bin/sh",
            "-c",
            "[ \"$(LD_PRELOAD='/usr/$LIB/faketime/libfaketimeMT.so.1' FAKETIME=-400d date +%Y)\" \
             != \"$(date +%Y)\" ] 2>&1",
        ],
        packages: &["libfaketime"],
        advice: "",
    },
    Need {
        name: "namespaces",
        probe: &["unshare", "-rm", "/bin/sh", "-c", "mount -t tmpfs tmpfs /tmp"],
        packages: &["util-linux", "mount"],
        advice: "and the right to make user and mount namespaces",
    },
    Need {
        name: "networks",
        probe: &[
            "unshare",
            "-rnm",
            "/bin/sh",
            "-c",
            "PATH=$PATH:/usr/sbin:/sbin ip link add type veth",
        ],
        packages: &["util-linux", "iproute2"],
        advice: "and the right to make user and network namespaces",
    },
    Need {
        name: "root",
        probe: &["/bin/sh", "-c", "[ \"$(id -u)\" = 0 ]"],
        packages: &[],
        advice: "run the tests as root",
    },
    Need {
        name: "cron",
        probe: &["unshare", "-mp", "--fork", "test", "-x", "/usr/sbin/cron"],
        packages: &["cron"],
        advice: "and root's right to make namespaces",
    },
];

const fn tool(
    name: &'static str,
    probe: &'static [&'static str],
    packages: &'static [&'static str],
) -> Need {
    Need { name, probe, packages, advice: "" }
}

/// Unmet needs, each with the tests that were skipped for it.
static SKIPPED: Mutex<BTreeMap<&'static str, BTreeSet<&'static str>>> = Mutex::new(BTreeMap::new());

/// Ends a test as skipped unless the machine has each of these.
macro_rules! needs {
    ($($name:literal),+) => {{
        fn here() {}
        if [$($name),+].iter().any(|name| $crate::needs::is_missing(name, &here)) {
            return;
        }
    }};
}
pub(crate) use needs;

/// True if a need is not met; the test is then noted as skipped. `within` is a function in the
/// test.
pub(crate) fn is_missing<F>(name: &str, _within: &F) -> bool {
    let need = NEEDS.iter().find(|need| need.name == name).unwrap();
    if need.is_met() {
        return false;
    }
    assert!(!all_must_run(), "QMSG_TESTS=all allows no skip, and {}", need.missing());
    let test = std::any::type_name::<F>().trim_end_matches("::here");
    let test = test.split_once("::").map_or(test, |(_crate, path)| path);
    static ONCE: Once = Once::new();
    // The hook runs when libtest has printed its result and ends the process.
    ONCE.call_once(|| assert!(shutdown_hooks::add_shutdown_hook(print_summary)));
    SKIPPED.lock().unwrap().entry(need.name).or_default().insert(test);
    true
}

fn all_must_run() -> bool {
    std::env::var("QMSG_TESTS").is_ok_and(|tests| tests == "all")
}

impl Need {
    fn is_met(&self) -> bool {
        let lacked = std::env::var("QMSG_TESTS_LACK").unwrap_or_default();
        if lacked.split_whitespace().any(|name| name == self.name) {
            return false;
        }
        let mut probe = Command::new(self.probe[0]);
        probe.args(&self.probe[1..]).stdin(Stdio::null()).stdout(Stdio::null());
        probe.stderr(Stdio::null()).env("PATH", "/usr/local/bin:/usr/bin:/bin");
        probe.status().is_ok_and(|status| status.success())
    }

    fn missing(&self) -> String {
        let Self { name, packages, advice, .. } = self;
        let space = if advice.is_empty() { "" } else { " " };
        format!("{name} is missing: apt-get install {}{space}{advice}", packages.join(" "))
    }
}

/// Prints the skipped tests. A panic in here would abort.
extern "C" fn print_summary() {
    if let Ok(skipped) = SKIPPED.lock()
        && !skipped.is_empty()
    {
        let _ = std::io::stderr().write_all(summary(&skipped).as_bytes());
    }
}

fn summary(skipped: &BTreeMap<&'static str, BTreeSet<&'static str>>) -> String {
    let tests: BTreeSet<_> = skipped.values().flatten().collect();
    let (count, ending) = (tests.len(), if tests.len() == 1 { "" } else { "s" });
    let mut text = format!("skipped: {count} test{ending}, which libtest counts as passed\n");
    for need in NEEDS {
        let Some(tests) = skipped.get(need.name) else { continue };
        let _ = writeln!(text, "  {}", need.missing());
        for test in tests {
            let _ = writeln!(text, "    {test}");
        }
    }
    text + "QMSG_TESTS=all makes each of these a failure\n\n"
}

#[test]
fn a_run_lists_its_skipped_tests_once() {
    let tests = BTreeSet::from(["a::b", "c"]);
    let skipped = BTreeMap::from([("jq", tests), ("namespaces", BTreeSet::from(["c"]))]);
    assert_eq!(
        summary(&skipped),
        "skipped: 2 tests, which libtest counts as passed\n  \
         jq is missing: apt-get install jq\n    a::b\n    c\n  \
         namespaces is missing: apt-get install util-linux mount and the right to make user and \
         mount namespaces\n    c\nQMSG_TESTS=all makes each of these a failure\n\n"
    );
}

/// Runs tests in a process of their own, without script(1); returns exit code and output.
fn run_without_script(tests: &str) -> (Option<i32>, String) {
    let itself = std::env::current_exe().unwrap();
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", "exec \"$0\" \"$@\" 2>&1"]).arg(itself);
    shell.args(["real::stdin::a_terminal", "real::stdin::variables"]);
    shell.env("QMSG_TESTS_LACK", "script");
    let run = shell.env("QMSG_TESTS", tests).stdin(Stdio::null()).output().unwrap();
    (run.status.code(), String::from_utf8(run.stdout).unwrap())
}

#[test]
fn skips_are_printed_after_the_result_and_can_be_failures() {
    let (code, said) = run_without_script("");
    let (_, end) = said.split_once("test result: ok. 2 passed").unwrap();
    assert!(
        end.contains("script is missing: apt-get install bsdutils\n    real::stdin::a_"),
        "{said}"
    );
    assert!(said.matches("script is missing").count() == 1 && code == Some(0), "{said}");
    let (code, said) = run_without_script("all");
    assert!(code == Some(101) && said.contains("QMSG_TESTS=all allows no skip"), "{said}");
}

#[test]
fn the_name_of_a_test_and_a_missing_need_are_found() {
    fn here() {}
    assert!(std::any::type_name_of_val(&here).ends_with("found::here"));
    let absent = tool("absent", &["/nonexistent/tool"], &["tool"]);
    assert!(!absent.is_met() && tool("sh", &["/bin/sh", "-c", "true"], &[]).is_met());
    assert!(!Path::new("/nonexistent").exists());
}
