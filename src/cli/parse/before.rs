//! Flags of a verb that are written before it: `qmsg --as zed send bob hi`.

use std::ffi::OsString;

use clap::{Arg, Command, CommandFactory};

use crate::cli::command::Cli;

/// Flags that may be written before the verb.
const MOVED: [&str; 2] = ["as", "server"];
/// The short form of `--server`.
const SERVER: &str = "-s";

/// Moves these flags after their verb, where clap looks for them. Other flags stay in place;
/// without a verb all do.
pub(crate) fn moved(args: Vec<OsString>) -> Vec<OsString> {
    let begins = |arg: &OsString| arg.to_str().is_some_and(|arg| arg.starts_with('-'));
    // Building the command takes long, and usually the verb comes first.
    if args.get(1).is_none_or(|first| !begins(first)) {
        return args;
    }
    let command = Cli::command();
    let mut kept: Vec<OsString> = args.iter().take(1).cloned().collect();
    let mut taken = Vec::new();
    let mut rest = args.iter().skip(1).cloned().peekable();
    while let Some(arg) = rest.next_if(begins) {
        let text = arg.to_string_lossy().into_owned();
        let (moves, wants_value) = kind(&command, &text);
        let into = if moves { &mut taken } else { &mut kept };
        into.push(arg);
        if wants_value {
            into.extend(rest.next());
        }
    }
    let mut verb = &command;
    let mut is_there = false;
    while let Some(inner) = rest.peek().and_then(|word| verb.find_subcommand(word)) {
        verb = inner;
        is_there = true;
        kept.extend(rest.next());
    }
    if !is_there {
        return args;
    }
    kept.into_iter().chain(taken).chain(rest).collect()
}

/// Classifies a flag: true if it must be moved, and true if the next word is its value.
fn kind(command: &Command, text: &str) -> (bool, bool) {
    if let Some(long) = text.strip_prefix("--") {
        let (name, is_whole) = match long.split_once('=') {
            Some((name, _)) => (name, false),
            None => (long, true),
        };
        if MOVED.contains(&name) {
            return (true, is_whole);
        }
        let takes_value = |arg: &Arg| arg.get_action().takes_values();
        let own = command.get_arguments().find(|arg| arg.get_long() == Some(name));
        return (false, is_whole && own.is_some_and(takes_value));
    }
    (text.starts_with(SERVER), text == SERVER)
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::moved;

    #[test]
    fn they_go_behind_the_verb() {
        for (line, wanted) in [
            ("qmsg --as zed send bob hi", "qmsg send --as zed bob hi"),
            ("qmsg --as=zed send bob hi", "qmsg send --as=zed bob hi"),
            ("qmsg -s h:1 later list --json", "qmsg later list -s h:1 --json"),
            ("qmsg -sh:1 -q listen", "qmsg -q listen -sh:1"),
            (
                "qmsg --config f --as a --server h --color never join @ops",
                "qmsg --config f --color never join --as a --server h @ops",
            ),
            ("qmsg send --as zed bob", "qmsg send --as zed bob"),
            ("qmsg --as send", "qmsg --as send"),
            ("qmsg --as zed", "qmsg --as zed"),
            ("qmsg --as zed bob hi", "qmsg --as zed bob hi"),
            ("qmsg --color=never --as a serve", "qmsg --color=never serve --as a"),
            ("qmsg", "qmsg"),
        ] {
            let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let wanted: Vec<OsString> = wanted.split(' ').map(OsString::from).collect();
            assert_eq!(moved(args), wanted, "{line}");
        }
    }
}
