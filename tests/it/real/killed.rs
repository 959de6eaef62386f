//! Commands that are killed before each call that changes files: files are in their old or new
//! state, and the same command, run again, succeeds.

use std::fs;
use std::path::{Path, PathBuf};

use crate::needs::needs;

use super::kit::{DEADLINE, Home, Said, Server, start};

/// Calls by which a command changes files.
const CALLS: &str = "mkdir,link,linkat,rename,renameat,renameat2,unlink,fsync,fdatasync,\
                     ftruncate,pwrite64,openat";
/// More calls than any of the commands makes.
const CALLS_MAX: u32 = 2_000;
const KILLED: i32 = 137;

/// Runs a command that is killed at call number `when`. The test must have a `needs!("strace")`.
fn killed(home: &Home, args: &[&str], when: u32) -> Said {
    let (calls, inject) = (format!("trace={CALLS}"), format!("{CALLS}:signal=KILL:when={when}"));
    let inject = format!("inject={inject}");
    let strace = ["-D", "-f", "-o", "/dev/null", "-e", &calls, "-e", &inject, "qmsg"];
    let running = start(home.program("strace", &[&strace, args].concat()));
    running.end_or_kill(DEADLINE / 20)
}

/// Kills a command at every `step`th of its calls, until a run succeeds; checks what must hold
/// after each.
fn at_each(
    home: &Home,
    step: usize,
    args: &dyn Fn(u32) -> Vec<String>,
    check: &mut dyn FnMut(u32),
) {
    for when in (1..CALLS_MAX).step_by(step) {
        let args = args(when);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let said = killed(home, &args, when);
        check(when);
        if said.code != Some(KILLED) {
            said.code(0);
            assert!(when > 10, "it was killed {when} times only");
            return;
        }
    }
    panic!("it never came to its end");
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(Into::into).collect()
}

fn copy(from: &Path, to: &Path) {
    let _ = fs::remove_dir_all(to);
    qmsg::files::create_directory(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
    }
}

#[test]
fn a_join_may_be_killed_at_any_step() {
    needs!("strace");
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["bob"]);
    let profiles = home.path().join(".local/share/qmsg/profiles");
    let read = |name: &str| fs::read(profiles.join(name)).ok();
    let before = ["bob/key.pem", "bob/profile.toml", ".default"].map(read);
    let line = format!("join new-%% -s {} --timeout 5s", server.address);
    let args = |when: u32| words(&line.replace("%%", &when.to_string()));
    at_each(&home, 3, &args, &mut |when| {
        assert_eq!(["bob/key.pem", "bob/profile.toml", ".default"].map(read), before, "{when}");
        let id = format!("new-{when}");
        let key = read(&format!("{id}/key.pem"));
        assert!(key.as_ref().is_none_or(|key| key.ends_with(b"-----\n")), "{when}");
        home.run(&["join", &id, "-s", &server.address]).ok();
        home.run(&["send", "--as", &id, "bob", "hi"]).ok();
        assert!(key.is_none() || key == read(&format!("{id}/key.pem")), "{when}");
    });
    // An id that is joined already.
    let line = format!("join bob -s {}", server.address);
    at_each(&home, 3, &|_| words(&line), &mut |when| {
        assert_eq!(["bob/key.pem", "bob/profile.toml", ".default"].map(read), before, "{when}");
        home.run(&["send", "bob", "hi"]).ok();
    });
}

#[test]
fn a_first_start_may_be_killed_at_any_step() {
    needs!("strace");
    let home = Home::new();
    for when in (1..CALLS_MAX).step_by(9) {
        let data = home.path().join(when.to_string());
        let line = format!("serve --listen 127.0.0.1:0 --data {}", data.display());
        let args = words(&line);
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        // A server that is reachable has written everything, and is killed at its next call.
        let in_time = [&args[..], &["--json"]].concat();
        let said = killed(&home, &in_time, when);
        let key = fs::read(data.join("server.key.pem")).ok();
        let server = Server::start(home.command(&args));
        assert!(key.is_none() || key == fs::read(data.join("server.key.pem")).ok(), "{when}");
        home.run(&["join", &format!("id-{when}"), "-s", &server.address]).ok();
        server.stop("TERM");
        if !said.stdout.is_empty() {
            assert!(when > 10, "it was killed {when} times only");
            return;
        }
    }
    panic!("it was never up");
}

#[test]
fn a_backup_and_a_repair_may_be_killed_at_any_step() {
    needs!("strace");
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["bob"]);
    home.run(&["send", "bob", "kept"]).ok();
    let data = home.data();
    let to: PathBuf = home.path().join("to");
    let line = format!("serve --data {} --backup {}-%%", data.display(), to.display());
    let listen = |data: &Path| {
        let args = ["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()];
        let server = Server::start(home.command(&args));
        let args = ["listen", "-s", &server.address, "-n", "1", "--timeout", "5s"];
        let said = home.run(&args).ok();
        server.stop("TERM");
        said
    };
    at_each(&home, 3, &|when| words(&line.replace("%%", &when.to_string())), &mut |when| {
        let copy = home.path().join(format!("to-{when}"));
        if copy.join("store.db").exists() {
            assert_eq!(listen(&copy), "kept\n", "{when}");
        }
    });
    server.stop("TERM");
    let before = home.path().join("before");
    let db = crate::store::database(&data);
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'run_log'";
    let page: i64 = db.query_row(sql, (), |row| row.get(0)).unwrap();
    drop(db);
    let mut bytes = fs::read(data.join("store.db")).unwrap();
    bytes[(page as usize - 1) * 4096..][..4096].fill(0);
    fs::write(data.join("store.db"), &bytes).unwrap();
    copy(&data, &before);
    let line = format!("serve --check-store --data {}", data.display());
    let args = |_| {
        copy(&before, &data);
        words(&line)
    };
    at_each(&home, 3, &args, &mut |when| {
        let said = home.run(&["serve", "--check-store", "--data", data.to_str().unwrap()]).ok();
        assert!(said.ends_with("intact: 1 users, 1 messages\n"), "{when}: {said}");
        assert_eq!(listen(&data), "kept\n", "{when}");
    });
}
