//! Homes and disks with defects: files of another user, read-only, without hard links, without
//! syncs of directories, full.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use crate::needs::needs;

use super::kit::{Home, Said, start};

/// A user other than the one who runs the tests.
const SOMEBODY: u32 = 4_242;

/// Runs a shell line in a mount namespace of its own. The test must have a `needs!("namespaces")`.
fn mounted(home: &Home, line: &str) -> Said {
    start(home.program("unshare", &["-rm", "/bin/sh", "-c", line])).end()
}

/// Runs a join during which some calls fail. The test must have a `needs!("strace")`.
fn join(home: &Home, args: &[&str], harms: &[&str]) -> Said {
    let calls = "trace=link,linkat,renameat2,fsync,write";
    let mut all = vec!["-f", "-o", "/dev/null", "-e", calls];
    all.extend(harms);
    all.push("qmsg");
    all.extend(args);
    start(home.program("strace", &all)).end()
}

#[test]
fn files_of_root_in_a_home_are_errors_with_the_chown_to_run() {
    needs!("root");
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["bob"]);
    chown(home.path(), Some(SOMEBODY), None).unwrap();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o711)).unwrap();
    // The test program may be in a directory that only root can read.
    let program = home.path().join("qmsg");
    fs::copy(env!("CARGO_BIN_EXE_qmsg"), &program).unwrap();
    let run = |args: &[&str]| {
        let mut command = home.program(program.to_str().unwrap(), args);
        command.uid(SOMEBODY).gid(SOMEBODY);
        start(command).end()
    };
    let local = home.path().join(".local");
    let data = home.data();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()];
    for args in [&["send", "bob", "hi"][..], &["listen", "--poll"], &["join", "bob"]] {
        let hint = format!("sudo chown -R \"$(id -u):$(id -g)\" {}", local.display());
        run(args).code(78).says(&hint);
    }
    run(&serve).code(78).says(&format!("$(id -g)\" {}", data.display()));
    let profiles = local.join("share/qmsg/profiles");
    let own = |path: &Path| chown(path, Some(SOMEBODY), None).unwrap();
    let dirs: Vec<PathBuf> = profiles.join("bob").ancestors().take(5).map(Into::into).collect();
    dirs.iter().for_each(|dir| own(dir));
    own(&profiles.join(".default"));
    run(&["send", "bob", "hi"]).code(78).says("profile.toml");
    own(&profiles.join("bob/profile.toml"));
    run(&["send", "bob", "hi"]).code(78).says("bob/key.pem").says("sudo chown");
    own(&profiles.join("bob/key.pem"));
    run(&["send", "bob", "hi"]).ok();
    server.stop("TERM");
    own(&data);
    run(&serve).code(78).says("server.key.pem").says("sudo chown");
    for name in ["server.key.pem", "endpoint.secrets", "lock"] {
        own(&data.join(name));
    }
    run(&serve).code(78).says(&format!("$(id -g)\" {}", data.display()));
}

#[test]
fn a_read_only_home_is_an_error() {
    needs!("namespaces");
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["bob"]);
    server.stop("TERM");
    let (data, path) = (home.data(), home.path().display().to_string());
    let read_only = "mount --bind \"$HOME\" \"$HOME\" && mount -o remount,ro,bind \"$HOME\" && ";
    let tries = [
        "qmsg join carol -s 127.0.0.1:9 --timeout 300ms".to_owned(),
        format!("qmsg serve --listen 127.0.0.1:0 --data {}", data.display()),
        format!("qmsg serve --listen 127.0.0.1:0 --data {path}/new"),
        format!("qmsg serve --check-store --data {}", data.display()),
        format!("qmsg invite example.org --data {}", data.display()),
    ];
    for line in tries {
        let said = mounted(&home, &format!("{read_only}{line}"));
        said.code(78).says("is read-only: mount it writable");
    }
}

#[test]
fn file_systems_without_hard_links_or_directory_syncs_work() {
    needs!("strace");
    let home = Home::new();
    let server = home.serve(&[]);
    let to = ["-s", &server.address];
    let no_links = ["-e", "inject=link,linkat:error=EPERM"];
    let no_rename = ["-e", "inject=renameat2:error=EINVAL"];
    let profiles = home.path().join(".local/share/qmsg/profiles");
    let dirs: Vec<String> = ["a", "b", "c", ""]
        .iter()
        .map(|id| profiles.join(id).display().to_string().trim_end_matches('/').to_owned())
        .collect();
    let harms: [(&str, Vec<&str>); 3] = [
        ("a", no_links.to_vec()),
        ("b", [no_links, no_rename].concat()),
        ("c", {
            let mut harms = vec!["-e", "inject=fsync:error=EINVAL"];
            dirs.iter().for_each(|dir| harms.extend(["-P", dir]));
            harms
        }),
    ];
    for (id, harms) in harms {
        // Created first: strace can only filter by a path that exists.
        fs::create_dir_all(profiles.join(id)).unwrap();
        fs::set_permissions(profiles.join(id), fs::Permissions::from_mode(0o700)).unwrap();
        let said = join(&home, &[&["join", id], &to[..]].concat(), &harms);
        said.code(0);
        home.run(&["send", "--as", id, id, "hi"]).ok();
        assert_eq!(fs::read_dir(profiles.join(id)).unwrap().count(), 2, "{id}");
    }
}

#[test]
fn a_full_disk_and_a_quota_leave_what_was_there() {
    needs!("strace");
    let home = Home::new();
    let server = home.serve(&[]);
    home.join(&server, &["bob"]);
    let profiles = home.path().join(".local/share/qmsg/profiles");
    let before = fs::read(profiles.join("bob/profile.toml")).unwrap();
    for error in ["ENOSPC", "EDQUOT", "EFBIG"] {
        let inject = format!("inject=fsync:error={error}");
        let harm = ["-e", inject.as_str()];
        let args = ["join", "carol", "-s", &server.address];
        let said = join(&home, &args, &harm);
        said.code(73).says("make room");
        assert!(!profiles.join("carol").exists(), "{error}");
        let said = join(&home, &["join", "bob"], &harm);
        said.code(73).says("cannot write");
        assert_eq!(fs::read(profiles.join("bob/profile.toml")).unwrap(), before, "{error}");
        let data = home.path().join(error);
        let args = ["serve", "--listen", "127.0.0.1:0", "--data", data.to_str().unwrap()];
        let said = join(&home, &args, &harm);
        said.code(73);
        assert!(!data.join("server.key.pem").exists(), "{error}");
    }
    // A file size limit counts as a full disk; its signal does not end the process.
    let full = start(home.program(
        "/bin/sh",
        &["-c", &format!("ulimit -f 0; exec qmsg join carol -s {}", server.address)],
    ))
    .end();
    full.code(73);
    home.run(&["send", "bob", "hi"]).ok();
    home.run(&["join", "carol", "-s", &server.address]).ok();
}
