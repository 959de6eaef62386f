//! Leftovers of a test, however it ended: none.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use super::kit::{DEADLINE, Home, Stream, start};
use super::sweep::{pid, running};
use super::wait::pause;

/// Variable that makes the test below panic.
const PANICS: &str = "QMSG_TESTS_PANIC";

/// Panics if the variable is set, with a process that has left its group and session, in a home
/// that a thread holds for ever.
#[test]
fn a_test_ends_with_all_its_processes() {
    let home = Arc::new(Home::new());
    let line = "exec setsid sh -c 'echo $$; exec tail -f /dev/null' & wait";
    let mut shell = start(home.program("/bin/sh", &["-c", line]));
    shell.until(Stream::Out, "\n");
    let path = home.path().to_owned();
    assert!(running(&path).contains(&pid(shell.id())) && running(&path).len() >= 2);
    if std::env::var_os(PANICS).is_some() {
        let home = Arc::clone(&home);
        thread::spawn(move || {
            pause(DEADLINE);
            drop(home);
        });
        panic!("as told, in {}", path.display());
    }
    drop(shell);
    assert_eq!(running(&path).len(), 1, "one that its killed parent does not wait for");
    drop(home);
    assert!(running(&path).is_empty() && !path.exists());
}

#[test]
fn a_run_in_which_a_test_panics_leaves_nothing_behind() {
    let mut itself = Command::new(std::env::current_exe().unwrap());
    itself
        .args(["--exact", "real::leftovers::a_test_ends_with_all_its_processes"])
        .env(PANICS, "1");
    let (begun, run) = (Instant::now(), itself.output().unwrap());
    let said = String::from_utf8(run.stdout).unwrap();
    assert!(run.status.code() == Some(101) && begun.elapsed() < DEADLINE, "{said}");
    let path = said.split_once("as told, in ").unwrap().1.lines().next().unwrap();
    let homes = Path::new(path).parent().unwrap();
    assert!(running(homes).is_empty() && !homes.exists(), "{homes:?}");
}
