//! Tips for words and flags that other programs know and qmsg does not.

use crate::profile::address::Listen;
use crate::wire::Target;

/// Commands that do not exist, and their replacements.
const COMMANDS: &[(&[&str], &str)] = &[
    (&["version"], "qmsg --version"),
    (
        &["whoami", "id", "ids", "me", "status", "info", "profile", "profiles"],
        "the id and the server that are used: qmsg config show",
    ),
    (
        &["list", "ls", "queue", "mail"],
        "messages for you: qmsg listen --poll; scheduled: qmsg later list; \
         not sent yet: qmsg spool list",
    ),
    (
        &["who", "users", "rooms", "members"],
        "users and rooms are not listed; you enter a room with: qmsg join @ROOM",
    ),
    (
        &["inbox", "read", "receive", "recv", "get", "fetch", "sub", "subscribe", "tail", "watch"],
        "qmsg listen (with --poll it exits when nothing is left)",
    ),
    (
        &["pub", "publish", "post", "msg", "message", "say", "tell", "notify", "write", "push"],
        "qmsg send TARGET TEXT",
    ),
    (&["broadcast", "wall", "announce"], "qmsg send @all TEXT"),
    (&["ping", "doctor", "health", "check"], "qmsg later list exits 0 if the server answers"),
    (&["register", "signup", "login", "init", "claim", "create", "enter"], "qmsg join ID"),
    (&["part", "unsubscribe", "unjoin"], "qmsg leave @ROOM"),
    (&["start", "server", "daemon", "run", "up"], "qmsg serve"),
    (&["schedule", "scheduled", "at", "cron"], "qmsg send --at TIME, then qmsg later list"),
    (&["outbox", "flush"], "qmsg spool flush"),
    (&["dead", "dlq"], "qmsg listen --dead"),
    (&["request", "query"], "qmsg ask TARGET TEXT"),
    (&["reply", "answer"], "qmsg listen --exec CMD --reply"),
    (&["ticket", "token"], "qmsg invite HOST:PORT"),
    (&["settings", "set"], "qmsg config path names the files, qmsg config show what they set"),
    (&["man", "usage"], "qmsg help"),
];

/// Flags that a command does not take, by command, and their replacements.
const ARGUMENTS: &[(&[&str], &[&str], &str)] = &[
    (
        &["send", "ask"],
        &["--to", "--target", "--recipient", "--room", "--user", "--topic", "--channel"],
        "the target has no flag: qmsg send TARGET TEXT",
    ),
    (
        &["send", "ask"],
        &["-m", "--message", "--body", "--text", "--msg", "--data", "-d"],
        "the text has no flag: qmsg send TARGET TEXT",
    ),
    (&["send", "ask"], &["--subject", "--summary"], "did you mean --title?"),
    (&["send", "ask"], &["--from", "--sender", "--user-id", "-u"], "did you mean --as?"),
    (&["send"], &["--delay", "--after"], "did you mean --in?"),
    (&["send"], &["--wait"], "did you mean --until delivered?"),
    (&["listen"], &["-f", "--follow"], "it keeps running as it is; --poll exits when all is read"),
    (
        &["listen"],
        &["-l", "--lines", "--tail", "--max", "--limit"],
        "--count N exits after N messages; --since TIME shows earlier ones again",
    ),
    (&["listen"], &["--once", "-1"], "did you mean --count 1?"),
    (&["listen"], &["--topic", "--channel", "-t"], "did you mean --room?"),
    (&["listen"], &["--id", "--user"], "did you mean --as?"),
    (&["listen"], &["--to"], "--as ID listens for another id, --room @ROOM to one room only"),
    (&["serve"], &["-p", "--port"], "the port goes into --listen, as in: --listen :5000"),
    (
        &["serve"],
        &["-b", "-a", "--bind", "--host", "--address", "--addr"],
        "did you mean --listen? as in: --listen 0.0.0.0:4433",
    ),
    (&["serve"], &["-d", "--daemon", "--detach"], "it stays in the foreground: use systemd or &"),
    (&["serve"], &["--tls", "--cert", "--key"], "did you mean --certs?"),
    (&["join", "leave"], &["--room"], "a room has no flag: qmsg join @ROOM"),
    (&["join", "leave"], &["--id", "--user", "--name"], "an id has no flag: qmsg join ID"),
];

/// Finds the tip for a command that does not exist.
pub(crate) fn command(given: &str) -> Option<String> {
    let is = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(given));
    COMMANDS.iter().find(|(names, _)| is(names)).map(|(_, tip)| (*tip).to_owned())
}

/// Finds the tip for an argument that a command does not take.
pub(crate) fn argument(verb: &str, given: &str) -> Option<String> {
    if !given.starts_with('-') {
        return word(verb, given);
    }
    let is = |verbs: &[&str], flags: &[&str]| verbs.contains(&verb) && flags.contains(&given);
    let found = ARGUMENTS.iter().find(|(verbs, flags, _)| is(verbs, flags))?;
    Some(
        found
            .2
            .replace("qmsg send", &format!("qmsg {}", if verb == "ask" { verb } else { "send" })),
    )
}

/// Finds the tip for an unexpected word.
fn word(verb: &str, given: &str) -> Option<String> {
    if verb == "serve" {
        let is_port = given.bytes().all(|byte| byte.is_ascii_digit());
        let listen = if is_port { format!(":{given}") } else { given.to_owned() };
        let is_place = listen.parse::<Listen>().is_ok();
        return is_place.then(|| format!("did you mean --listen {listen}?"));
    }
    let target: Target = given.parse().ok()?;
    match (verb, &target) {
        ("listen", Target::User(id)) => {
            Some(format!("to listen as {id}: --as {id}; to messages from {id} only: --from {id}"))
        }
        ("listen", Target::Room(room)) => {
            Some(format!("to this room only: --room {room}; without it, to all of yours"))
        }
        ("listen", Target::All) => Some("messages to @all only: --room @all".into()),
        ("join" | "leave", Target::Room(_)) => {
            Some(format!("one name at a time: qmsg {verb} {given}"))
        }
        _ => None,
    }
}
