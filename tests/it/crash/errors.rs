//! A disk on which the k-th call fails, once or from then on: the server stops before it accepts
//! anything more, and everything accepted is there after a restart. `PROOF_ERRORS=1000 cargo test
//! --test it crash::errors -- --nocapture` tries every call.

use std::fs::{self, DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::Mutex;
use std::thread;

use tempfile::TempDir;

use super::story::Story;
use super::trace::now_us;
use crate::chance::{Chance, number};
use crate::needs::needs;
use crate::real::kit::Home;
use crate::real::sweep;
use crate::real::wait::until;
use crate::tally::Value;

/// Failures that `cargo test` tries.
const ERRORS: u64 = 16;
/// Messages sent to each server.
const SENDS: u64 = 6;
/// Exit code of a server whose disk failed: EX_IOERR of sysexits(3).
const FAILED: i32 = 74;
/// Exit code of a server that was stopped by SIGTERM.
const STOPPED: i32 = 143;

/// A call that is made to fail.
#[derive(Clone, Debug)]
struct Fault {
    call: &'static str,
    /// Number of the call among those of its name, from 1.
    when: u64,
    for_ever: bool,
}

/// Data directory of a server as set up before the failure, and its clients.
struct Site {
    home: Home,
    before: TempDir,
    address: String,
}

/// A process that is killed on drop.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Process {
    fn is_over(&mut self) -> bool {
        self.0.try_wait().unwrap().is_some()
    }

    fn end(&mut self) -> i32 {
        use std::os::unix::process::ExitStatusExt;
        let status = self.0.wait().unwrap();
        status.code().unwrap_or_else(|| 128 + status.signal().unwrap())
    }
}

impl Site {
    fn new() -> Self {
        let (home, before) = (Home::new(), TempDir::new().unwrap());
        let server = home.serve(&[]);
        home.join(&server, &["alice", "bob"]);
        let address = server.address.clone();
        server.stop("TERM");
        copy(&home.data(), before.path());
        Self { home, before, address }
    }

    fn trace(&self) -> PathBuf {
        self.home.path().join("trace")
    }

    /// Command of a server whose calls on the store are traced, and fail as `inject` says.
    fn command(&self, inject: &[&str]) -> Command {
        let data = self.home.data();
        let store = data.join("store.db").to_str().unwrap().to_owned();
        let (wal, trace) = (format!("{store}-wal"), self.trace());
        let calls = "trace=pwrite64,write,fsync,fdatasync,ftruncate";
        let mut args = vec!["-D", "-f", "--seccomp-bpf", "-y", "-ttt", "-s", "0"];
        args.extend(["-e", calls, "-e", "signal=none", "-P", &store, "-P", &wal]);
        args.extend_from_slice(inject);
        args.extend(["-o", trace.to_str().unwrap(), "qmsg", "serve", "--listen", &self.address]);
        args.extend(["--data", data.to_str().unwrap()]);
        self.home.program("strace", &args)
    }

    /// Runs a server to its end while messages are sent to it. Returns its exit code, what its
    /// users were told, and the values sent.
    fn run(&self, inject: &[&str]) -> (i32, Story, Vec<(u64, Value)>) {
        let (data, said) = (self.home.data(), self.home.path().join("said"));
        fs::remove_dir_all(&data).unwrap();
        copy(self.before.path(), &data);
        let mut command = self.command(inject);
        command.stderr(File::create(&said).unwrap());
        let mut server = Process(command.spawn().unwrap());
        let is_there = || fs::read_to_string(&said).is_ok_and(|said| said.contains("listening on"));
        until("a server, or its end", || is_there() || server.is_over());
        let (story, mut accepted) = (Story::default(), vec![]);
        for counter in 0..SENDS {
            // Some bodies are a single chunk, some have several.
            let value = Value { writer: if counter == 3 { 2 } else { 0 }, counter };
            let begun = now_us();
            if server.is_over() {
                break;
            }
            // A server that has failed answers no more requests.
            let patience = if inject.is_empty() { "60s" } else { "700ms" };
            if story.try_send(&self.home, value, patience) == Some(0) {
                accepted.push((begun, value));
            }
        }
        if !server.is_over() {
            sweep::signal(server.0.id(), "TERM");
        }
        (server.end(), story, accepted)
    }

    fn check(&self, fault: &Fault) -> u64 {
        let Fault { call, when, for_ever } = fault;
        let on = if *for_ever { "+" } else { "" };
        let inject = format!("inject={call}:error=EIO:when={when}{on}");
        let (code, story, accepted) = self.run(&["-e", &inject]);
        let trace = self.read_trace();
        let mut lines = trace.lines().skip_while(|line| !line.contains("(INJECTED)"));
        match lines.next() {
            // If preallocation of the log fails, the writes extend it instead.
            Some(_) if *call == "write" => assert_eq!(code, STOPPED, "{fault:?}"),
            Some(line) => {
                assert_eq!(code, FAILED, "{fault:?}");
                let at: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
                let late = accepted.iter().find(|(begun, _)| *begun as f64 > at * 1e6);
                assert!(late.is_none(), "{fault:?}: {late:?} accepted after it");
                let sync = lines.find(|line| line.contains("sync("));
                assert!(sync.is_none(), "{fault:?}: synced again: {sync:?}");
            }
            None => assert_eq!(code, STOPPED, "{fault:?} did not happen"),
        }
        let report = story.check(&self.home.data(), u64::MAX);
        assert!(report.is_pass(), "{fault:?}: {report}");
        report.accepted
    }

    fn read_trace(&self) -> String {
        let read = || fs::read_to_string(self.trace()).unwrap();
        until("the end of the trace", || read().trim_end().ends_with("+++"));
        read()
    }
}

fn copy(from: &Path, to: &Path) {
    DirBuilder::new().recursive(true).mode(0o700).create(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

/// Every call of a run without failures, failing once and failing for good.
fn faults(site: &Site) -> Vec<Fault> {
    let (code, story, accepted) = site.run(&[]);
    assert_eq!((code, accepted.len() as u64), (STOPPED, SENDS));
    assert!(story.check(&site.home.data(), u64::MAX).is_pass());
    let trace = site.read_trace();
    let calls = ["pwrite64", "write", "fdatasync", "ftruncate"];
    let of = |call: &'static str| {
        let count = trace.lines().filter(|line| line.contains(&format!(" {call}("))).count();
        let each = move |when| [false, true].map(|for_ever| Fault { call, when, for_ever });
        assert!(count > 0, "no {call} is traced");
        (1..=count as u64).flat_map(each)
    };
    calls.into_iter().flat_map(of).collect()
}

#[test]
fn a_failed_write_stops_the_server_and_loses_nothing() {
    needs!("strace");
    let (count, seed) = (number("PROOF_ERRORS", ERRORS), number("PROOF_SEED", 1));
    let sites = [Site::new(), Site::new()];
    let mut left = faults(&sites[0]);
    let (all, mut chance) = (left.len(), Chance::new(seed));
    let mut tried = vec![];
    while tried.len() < (count as usize).min(all) {
        tried.push(left.swap_remove(chance.below(left.len())));
    }
    let (next, acknowledged) = (Mutex::new(tried.iter()), Mutex::new(0));
    thread::scope(|scope| {
        for site in &sites {
            scope.spawn(|| {
                let _end = site.home.ends_on_panic();
                while let Some(fault) = { next.lock().unwrap().next() } {
                    *acknowledged.lock().unwrap() += site.check(fault);
                }
            });
        }
    });
    println!(
        "{} of {all} calls failed, once or for ever, seed {seed}: {} messages acknowledged, all of \
         them there",
        tried.len(),
        acknowledged.into_inner().unwrap()
    );
}
