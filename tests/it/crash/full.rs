//! A disk that fills up, is freed, and fills up again: senders are told, and no message is lost.
//! `PROOF_FULL=100 cargo test --test it crash::full -- --nocapture` makes a hundred rounds.

use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use crate::chance::number;
use crate::needs::needs;
use crate::real::kit::{Home, Server, Stream, start_with};
use crate::real::wait::until;
use crate::store::database;
use crate::tally::{Answer, Tally, Value};

/// Times that `cargo test` fills the disk.
const CYCLES: u64 = 4;
/// Every third time the server is killed while the disk is full.
const KILL_EVERY: u64 = 3;
/// Times that one disk is filled before it is replaced: its messages are never deleted.
const ROUND: u64 = 5;
/// Lengths of messages in bytes: a single chunk, and several.
const LENGTHS: [usize; 2] = [60_000, 250_000];
/// Sends after which a disk that still accepts messages counts as not full.
const SENDS_MAX: usize = 200;

/// A small disk in a namespace, which lives as long as this value.
struct Disk {
    holder: Child,
    data: PathBuf,
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = self.holder.kill();
        let _ = self.holder.wait();
    }
}

impl Disk {
    fn new(home: &Home) -> Self {
        let data = home.data();
        fs::create_dir(&data).unwrap();
        let mount = "mount -t tmpfs -o size=64m,mode=700 tmpfs \"$1\" && touch \"$1\"/mounted && \
                     exec cat";
        let args = ["-rm", "/bin/sh", "-c", mount, "sh", data.to_str().unwrap()];
        let mut command = home.program("unshare", &args);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::inherit());
        let mut disk = Self { holder: command.spawn().unwrap(), data };
        until("a small disk", || {
            assert!(disk.holder.try_wait().unwrap().is_none(), "it cannot be mounted");
            disk.path("mounted").exists()
        });
        disk
    }

    /// Path by which a file of the disk is visible from outside its namespace.
    fn path(&self, name: &str) -> PathBuf {
        let inside = self.data.join(name);
        Path::new(&format!("/proc/{}/root", self.holder.id()))
            .join(inside.strip_prefix("/").unwrap())
    }

    fn serve(&self, home: &Home, listen: &str) -> Server {
        let (holder, data) = (self.holder.id().to_string(), self.data.to_str().unwrap());
        let mut args = vec!["--preserve-credentials", "-U", "-m", "-t", &holder, "qmsg"];
        args.extend(["serve", "--listen", listen, "--data", data]);
        Server::start(home.program("nsenter", &args))
    }

    /// Fills all free space; returns the bytes written.
    fn fill(&self) -> u64 {
        let mut file =
            File::options().create(true).append(true).open(self.path("ballast")).unwrap();
        for length in [1 << 20, 4096, 1] {
            loop {
                match file.write(&vec![1; length]) {
                    Ok(1..) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    other => panic!("{other:?}"),
                }
            }
        }
        file.metadata().unwrap().len()
    }

    fn free(&self) {
        fs::remove_file(self.path("ballast")).unwrap();
    }
}

fn send(home: &Home, address: &str, value: Value) -> Option<i32> {
    let header = format!("Value: {value}");
    let args = ["send", "bob", "--as", "alice", "-s", address, "-q", "-H", &header];
    start_with(home.command(&args), vec![b'x'; LENGTHS[value.counter as usize % LENGTHS.len()]])
        .end()
        .code
}

/// Fills a new disk `cycles` times; returns the values that were sent.
fn round(tally: &mut Tally, writer: u32, cycles: u64) -> Vec<Value> {
    let home = Home::new();
    let disk = Disk::new(&home);
    let mut server = disk.serve(&home, "127.0.0.1:0");
    let address = server.address.clone();
    home.join(&server, &["alice", "bob"]);
    let mut listener = home.listen(&["--as", "bob", "-s", &address, "-F", "%{Value}"]);
    let mut values = (0..).map(|counter| Value { writer, counter });
    for cycle in 1..=cycles {
        disk.fill();
        let refused = values.by_ref().take(SENDS_MAX).find(|&value| {
            let code = send(&home, &address, value);
            assert!(matches!(code, Some(0 | 73)), "{code:?} on a full disk");
            let answer = if code == Some(0) { Answer::Accepted } else { Answer::Refused };
            tally.answer(value, answer);
            answer == Answer::Refused
        });
        assert!(refused.is_some(), "the disk was never full");
        if cycle % KILL_EVERY == 0 {
            server.kill();
            disk.free();
            server = disk.serve(&home, &address);
        } else {
            disk.free();
        }
        let value = values.next().unwrap();
        assert_eq!(send(&home, &address, value), Some(0), "there is room again");
        tally.answer(value, Answer::Accepted);
        listener.until(Stream::Out, &format!("{value}\n"));
    }
    assert_eq!(server.stop("TERM").0, Some(143));
    let sound = "PRAGMA integrity_check";
    let sound: String = database(&disk.path("")).query_row(sound, [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
    listener.signal("TERM");
    let said = String::from_utf8(listener.end().stdout).unwrap();
    said.lines().map(|line| line.parse().unwrap()).collect()
}

#[test]
fn a_full_disk_loses_nothing_and_service_resumes() {
    needs!("namespaces");
    let cycles = number("PROOF_FULL", CYCLES);
    let (mut tally, mut shown) = (Tally::default(), vec![]);
    for begin in (0..cycles).step_by(ROUND as usize) {
        shown.extend(round(&mut tally, begin as u32, ROUND.min(cycles - begin)));
    }
    tally.report(&shown, true).check(&format!("{cycles} times full"));
}
