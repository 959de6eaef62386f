//! Output of `listen` on a terminal, and the effects of a closed terminal on it and its handlers.

use std::fs;

use crate::needs::needs;

use super::kit::{Home, Server, Stream, start};

fn setup() -> (Home, Server) {
    let home = Home::new();
    let server = home.serve(&["--max-body", "128MiB"]);
    home.join(&server, &["mallory", "bob"]);
    (home, server)
}

/// Output of a shell line on a terminal.
fn screen(home: &Home, before: &str, line: &str) -> String {
    let said = home.shell(&format!("{before} script -qec '{line}' /dev/null"));
    String::from_utf8(said.code(0).stdout.clone()).unwrap().replace('\r', "")
}

const LISTEN: &str = "qmsg listen --as bob --poll";

#[test]
fn title_priority_and_tags_are_seen() {
    needs!("script");
    let (home, _server) = setup();
    let send = ["send", "bob", "--title", "Fan 3 stopped", "-p", "max", "--tags", "hw,rack7"];
    home.run(&[&send[..], &["replace it"]].concat()).ok();
    let text = screen(&home, "", LISTEN);
    assert!(text.ends_with(" mallory [max] Fan 3 stopped: replace it  #hw  #rack7\n"), "{text:?}");
    home.pipe(b"", &[&send[..], &["--empty"]].concat()).ok();
    let text = screen(&home, "", LISTEN);
    assert!(text.ends_with(" mallory [max] Fan 3 stopped  #hw  #rack7\n"), "{text:?}");
    // A program that reads lines gets everything.
    home.pipe(b"", &[&send[..], &["--empty"]].concat()).ok();
    assert_eq!(home.shell(LISTEN).ok(), "Fan 3 stopped\n");
    home.pipe(b"", &[&send[..], &["--empty"]].concat()).ok();
    assert_eq!(home.shell(&format!("{LISTEN} --raw")).ok(), "");
}

#[test]
fn a_message_cannot_forge_the_line_of_another() {
    needs!("script");
    let (home, _server) = setup();
    for text in ["hi\n12:00:00 boss: pay", "hi\r12:00:00 boss: pay", "hi\u{2028}12:00:00 boss: pay"]
    {
        for format in ["", "-F \"%s %p\""] {
            home.run(&["send", "bob", "--as", "mallory", text]).ok();
            let seen = screen(&home, "NO_COLOR=1", &format!("{LISTEN} {format}"));
            let mut lines = seen.split(['\n', '\u{2028}']);
            assert!(!lines.any(|line| line.starts_with("12:00:00 boss")), "{seen:?}");
        }
    }
    let text = format!("fine{}12:00:00 boss: pay", " ".repeat(80));
    home.run(&["send", "bob", "--as", "mallory", &text]).ok();
    home.run(&["send", "bob", "--as", "mallory", &text]).ok();
    let seen = screen(&home, "NO_COLOR=1", &format!("stty cols 40; {LISTEN} -n 1"));
    assert!(seen.lines().skip(1).all(|line| line.starts_with("    ")), "{seen:?}");
    assert!(seen.lines().count() > 2 && seen.lines().all(|line| line.len() <= 40), "{seen:?}");
    // A pipe has no width.
    let seen = home.shell(&format!("{LISTEN} --color always")).ok();
    assert_eq!(seen.lines().count(), 1, "{seen:?}");
    // Reasons of a handler that another user has written, in a list.
    home.run(&["send", "bob", "--as", "mallory", "x\n12:00:00 boss: pay"]).ok();
    home.run(&["listen", "--as", "bob", "-n", "1", "--shell", "exit 65"]).code(0);
    let list = home.run(&["listen", "--as", "bob", "--dead"]).ok();
    assert_eq!(list.lines().count(), 1, "{list}");
}

#[test]
fn a_terminal_that_is_dumb_gets_no_escapes() {
    needs!("script");
    let (home, _server) = setup();
    let big = home.path().join("big");
    fs::File::create(&big).unwrap().set_len(100_000_000).unwrap();
    for (before, colours) in [
        ("TERM=xterm", true),
        ("TERM=dumb", false),
        ("TERM=", false),
        ("env -u TERM", false),
        ("TERM=xterm NO_COLOR=1", false),
        ("TERM=dumb CLICOLOR_FORCE=1", true),
    ] {
        home.run(&["send", "bob", "--as", "mallory", "hi"]).ok();
        let text = screen(&home, before, LISTEN);
        assert_eq!(text.contains('\x1b'), colours, "{before}: {text:?}");
        let refused = home.shell(&format!("{before} script -qec 'qmsg listen --nosuch' /dev/null"));
        assert!(!refused.stdout.contains(&b'\x1b'), "errors have no colours: {refused:?}");
    }
    let text = screen(&home, "TERM=dumb", "qmsg send bob --as mallory -f big");
    assert!(!text.contains('\x1b') && !text.contains('['), "{text:?}");
}

#[test]
fn a_pager_gets_what_a_terminal_gets_if_asked_to() {
    let (home, _server) = setup();
    home.run(&["send", "bob", "--as", "mallory", "a\nb"]).ok();
    let text = home.shell(&format!("{LISTEN} --color always | cat")).ok();
    assert!(text.contains("\x1b[1mmallory\x1b[0m:\n    a\n    b\n"), "{text:?}");
    home.run(&["send", "bob", "--as", "mallory", "a\nb"]).ok();
    assert_eq!(home.shell(&format!("CLICOLOR_FORCE=1 {LISTEN} | cat")).ok(), "a\nb\n", "data");
}

#[test]
fn binary_bodies_are_not_printed_to_a_terminal() {
    needs!("script");
    let (home, _server) = setup();
    let noise = super::kit::noise(100_000);
    home.pipe(&noise, &["send", "bob", "--as", "mallory"]).ok();
    let text = screen(&home, "", LISTEN);
    assert!(text.ends_with("mallory: 100,000 bytes, not text: use --raw > FILE\n"), "{text:?}");
    home.pipe(&noise, &["send", "bob", "--as", "mallory"]).ok();
    let raw = home.shell(&format!("{LISTEN} --raw"));
    assert!(raw.code(0).stdout == noise);
}

#[test]
fn a_format_without_a_field_is_an_error() {
    let (home, _server) = setup();
    home.run(&["send", "bob", "hi"]).ok();
    for format in ["{body}", "100%%"] {
        let said = home.run(&["listen", "--as", "bob", "--poll", "-F", format]);
        said.code(2).says("no field of a message is in it").says("%p");
    }
    assert_eq!(home.shell(LISTEN).ok(), "hi\n", "it was not consumed");
}

#[test]
fn a_handler_has_a_defined_world() {
    let (home, _server) = setup();
    home.run(&["send", "bob", "hi"]).ok();
    let line = "ls -l /proc/self/fd | grep -o ' [0-9]* ->' > fds; umask > mask; pwd > place
        grep -E '^Sig(Blk|Ign|Cgt):' /proc/self/status > signals
        cut -d' ' -f5,6 /proc/$$/stat > group; echo $$ >> group";
    fs::write(home.path().join("world"), format!("#!/bin/bash\n{line}\n")).unwrap();
    let line = format!("chmod +x world; umask 027; exec 7> lock; {LISTEN} -x ./world");
    home.shell(&line).code(0);
    let read = |name| fs::read_to_string(home.path().join(name)).unwrap();
    // The last one is the directory that ls reads.
    assert_eq!(read("fds"), " 0 ->\n 1 ->\n 2 ->\n 3 ->\n 4 ->\n");
    assert_eq!(
        (read("mask").trim(), read("place").trim()),
        ("0027", home.path().to_str().unwrap())
    );
    // Signals that were ignored when the tests started stay ignored.
    let own = fs::read_to_string("/proc/self/status").unwrap();
    let mask = |line: &str| u64::from_str_radix(line.rsplit('\t').next().unwrap(), 16).unwrap();
    let ignored = own.lines().find(|line| line.starts_with("SigIgn:")).map_or(0, mask);
    for line in read("signals").lines().filter(|line| !line.starts_with("SigCgt")) {
        // Higher bits are real-time signals, some of which the C library takes for itself.
        assert_eq!(mask(line) & !ignored & 0x7fff_ffff, 0, "{line}");
    }
    let group = read("group");
    let mut words = group.split_whitespace();
    assert_eq!(words.next(), words.nth(1), "a process group of its own");
}

#[test]
fn background_processes_of_a_handler_delay_nobody() {
    let (home, _server) = setup();
    home.shell("mkfifo gate").ok();
    home.pipe(&[b'x'; 200_000], &["send", "bob"]).ok();
    // A background process has inherited all descriptors.
    let line = "cat gate > /dev/null 2>&1 & exit 0";
    home.shell(&format!("{LISTEN} --shell '{line}'")).code(0);
    home.shell(": > gate").ok();
}

/// Handlers that wait for the test, with and without a hangup that ends them.
#[test]
fn a_message_is_not_handled_twice_because_a_terminal_was_closed() {
    let (home, _server) = setup();
    home.shell("mkfifo began gate").ok();
    home.run(&["send", "bob", "once"]).ok();
    let line = "echo run >> runs; echo x > began; cat gate > /dev/null; cat >> done";
    let mut listener = start(home.command(&["listen", "--as", "bob", "--shell", line]));
    home.shell("cat began").ok();
    // A shell and the kernel each send it.
    listener.signal("HUP");
    listener.until(Stream::Err, "waiting for 1 handler");
    listener.signal("HUP");
    home.shell(": > gate").ok();
    listener.end().code(129);
    assert_eq!(home.shell(LISTEN).ok(), "", "it is processed");
    let read = |name| fs::read_to_string(home.path().join(name)).unwrap();
    assert_eq!((read("runs").as_str(), read("done").as_str()), ("run\n", "once"));
}

#[test]
fn a_hangup_is_an_orderly_end_unless_it_is_ignored() {
    let (home, server) = setup();
    let mut listener = start(home.program("nohup", &["qmsg", "listen", "--as", "bob"]));
    home.run(&["send", "bob", "one"]).ok();
    listener.until(Stream::Out, "one");
    listener.signal("HUP");
    home.run(&["send", "bob", "two"]).ok();
    listener.until(Stream::Out, "two");
    listener.signal("TERM");
    listener.end().code(143);
    let (code, text) = server.stop("HUP");
    assert_eq!(code, Some(129), "{text}");
    let data = home.data();
    let args = ["qmsg", "serve", "-l", "127.0.0.1:0", "--data", data.to_str().unwrap()];
    let server = Server::start(home.program("nohup", &args));
    server.signal("HUP");
    home.join(&server, &["carol"]);
    assert_eq!(server.stop("TERM").0, Some(143));
}

#[test]
fn process_1_reaps_orphans_and_ends_by_signals() {
    needs!("namespaces");
    let (home, _server) = setup();
    let namespace = ["-rpf", "--mount-proc", "--kill-child"];
    let inside = |line: &str| {
        let args = [&namespace[..], &["/bin/sh", "-c", line]].concat();
        start(home.program("unshare", &args))
    };
    home.pipe(b"1\n2\n3\n", &["send", "-l", "bob"]).ok();
    // Each handler waits, for a bounded time, until nothing is left of the one before.
    let handler = "#!/bin/sh
        n=0
        while [ -f orphan ] && [ -e /proc/$(cat orphan) ]; do
            n=$((n + 1)); [ $n -lt 20000 ] || exit 65
        done
        sh -c 'echo $$ > orphan' > /dev/null 2>&1 &";
    fs::write(home.path().join("leaves"), handler).unwrap();
    inside("chmod +x leaves; exec qmsg listen --as bob -n 3 -x ./leaves").end().code(0);
    assert_eq!(home.run(&["listen", "--as", "bob", "--dead"]).ok(), "", "a zombie was left");
    // Exit code and stdin are those of the process that does the work.
    inside("exec qmsg listen --as bob --poll -x ./nosuch").end().code(78);
    let mut listener = inside("echo here; exec qmsg listen --as bob -v");
    listener.until(Stream::Err, "caught up");
    listener.signal_child("TERM");
    listener.end().code(143);
    home.shell("mkfifo input").ok();
    let mut sender = inside("exec qmsg send -l bob --as bob --json < input");
    let mut input = fs::OpenOptions::new().write(true).open(home.path().join("input")).unwrap();
    std::io::Write::write_all(&mut input, b"line\n").unwrap();
    sender.until(Stream::Out, "accepted");
    sender.signal_child("TERM");
    sender.end().code(143);
}
