//! Usage errors in the form of all other errors: the error, a hint, and the usage line.

use std::error::Error;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Command, CommandFactory};

use crate::cli::command::Cli;
use crate::cli::limits::TYPED_CHARS_MAX;
use crate::cli::text::tips;
use crate::failure::{Exit, Failure};
use crate::profile::known;
use crate::text::units;
use crate::wire::Target;

/// Converts an error of clap to a failure.
pub(crate) fn failure(error: &clap::Error, args: &[OsString]) -> Failure {
    let line = TypedLine::new(args);
    let (what, tip) = match error.kind() {
        ErrorKind::UnknownArgument => unknown_argument(error, &line),
        ErrorKind::InvalidSubcommand => unknown_command(error, &line),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation | ErrorKind::NoEquals => value(error),
        ErrorKind::MissingRequiredArgument => missing(error),
        ErrorKind::ArgumentConflict => conflict(error),
        _ => (first_line(error), None),
    };
    let hint = tip.unwrap_or_else(|| format!("see {} --help", line.command()));
    let failure = Failure::new(Exit::Usage, what).hint(hint);
    if error.get(ContextKind::Usage).is_none() {
        return failure;
    }
    // clap's own usage line also names flags that were set by environment variables.
    let usage = line.verb.clone().render_usage().to_string();
    let usage: Vec<&str> = usage.split_whitespace().skip(1).collect();
    failure.usage(usage.join(" "))
}

/// A command line as typed, without the program's name.
struct TypedLine {
    words: Vec<String>,
    /// The verb and its subcommand, as far as they exist.
    path: Vec<String>,
    verb: Command,
    commands: Command,
}

impl TypedLine {
    fn new(args: &[OsString]) -> Self {
        let words: Vec<String> =
            args.iter().skip(1).map(|arg| arg.to_string_lossy().into_owned()).collect();
        let (mut verb, mut path) = (Cli::command(), Vec::new());
        verb.build();
        let commands = verb.clone();
        for word in words.iter().filter(|word| !word.starts_with('-')) {
            match verb.find_subcommand(word).cloned() {
                Some(inner) => verb = inner,
                None if path.is_empty() => continue,
                None => break,
            }
            path.push(word.clone());
        }
        Self { words, path, verb, commands }
    }

    fn command(&self) -> String {
        [&["qmsg".to_owned()], &self.path[..]].concat().join(" ")
    }

    fn top(&self) -> &str {
        self.path.first().map_or("", String::as_str)
    }
}

fn text(error: &clap::Error, kind: ContextKind) -> String {
    match error.get(kind) {
        Some(ContextValue::String(text)) => text.clone(),
        Some(ContextValue::Strings(texts)) => texts.join(", "),
        _ => String::new(),
    }
}

/// Strips the placeholder: `--until <LEVEL>` becomes `--until`.
fn flag(name: &str) -> &str {
    name.split_once(' ').filter(|(flag, _)| flag.starts_with('-')).map_or(name, |(flag, _)| flag)
}

fn unknown_argument(error: &clap::Error, line: &TypedLine) -> (String, Option<String>) {
    let given = text(error, ContextKind::InvalidArg);
    let given = flag(&given);
    if let Some(what) = negative(given, line) {
        return (what, None);
    }
    let what = format!("unexpected argument '{given}'");
    let long = |arg: &clap::Arg| arg.get_long().map(|long| format!("--{long}"));
    let names = || line.verb.get_arguments().filter(|arg| !arg.is_hide_set()).filter_map(long);
    let meant = || known::nearest(given, names()).map(|name| format!("did you mean {name}?"));
    let other = || {
        let name = text(error, ContextKind::SuggestedArg);
        (!name.is_empty()).then(|| format!("did you mean {name}?"))
    };
    let tip = tips::argument(line.top(), given)
        .or_else(|| given.starts_with("--").then(meant).flatten())
        .or_else(|| given.starts_with("--").then(other).flatten())
        .or_else(|| after_dashes(given, line));
    (what, tip)
}

/// Explains a negative number that was meant as the value of a flag.
fn negative(given: &str, line: &TypedLine) -> Option<String> {
    let arg_of = |word: &str| {
        let mut args = line.verb.get_arguments().filter(|arg| arg.get_action().takes_values());
        args.find(|arg| {
            let long = arg.get_long().is_some_and(|name| word.strip_prefix("--") == Some(name));
            long || arg.get_short().is_some_and(|letter| word == format!("-{letter}"))
        })
    };
    let pairs = line.words.iter().zip(line.words.iter().skip(1));
    let mut pairs = pairs.filter(|(_, word)| units::is_negative(word) && word.starts_with(given));
    let (value, arg) = pairs.find_map(|(name, value)| Some((value, arg_of(name)?)))?;
    Some(format!("invalid value '{value}' for '{arg}': it must not be negative"))
}

/// The hint for a word of a message that looks like a flag.
fn after_dashes(given: &str, line: &TypedLine) -> Option<String> {
    let takes_text = ["send", "ask"].contains(&line.top()) && given.starts_with('-');
    let words = line.words.iter().skip_while(|word| *word != line.top()).skip(1);
    let target = words.clone().find(|word| word.parse::<Target>().is_ok());
    let target = target.map_or("TARGET", String::as_str);
    takes_text.then(|| {
        format!("a message with a word like {given}: qmsg {} {target} -- TEXT", line.top())
    })
}

fn unknown_command(error: &clap::Error, line: &TypedLine) -> (String, Option<String>) {
    let given = text(error, ContextKind::InvalidSubcommand);
    let what = format!("unrecognized subcommand '{given}'");
    if !line.path.is_empty() {
        let names = line.verb.get_subcommands().map(|verb| verb.get_name().to_owned());
        return (what, known::nearest(&given, names).map(|name| format!("did you mean {name}?")));
    }
    let names = line.commands.get_subcommands().map(|verb| verb.get_name().to_owned());
    let near = || known::nearest(&given, names).map(|name| format!("did you mean {name}?"));
    (what, tips::command(&given).or_else(near).or_else(|| to_send(&given, line)))
}

/// The hint for a command line such as `qmsg bob hi`, which lacks the verb.
fn to_send(given: &str, line: &TypedLine) -> Option<String> {
    let target: Target = given.parse().ok()?;
    let rest: Vec<&str> =
        line.words.iter().skip_while(|word| *word != given).skip(1).map(String::as_str).collect();
    if rest.is_empty() && given.starts_with(char::is_alphanumeric) {
        known::targets().contains(&target).then_some(())?;
    }
    let mut typed = ["qmsg", "send", given].into_iter().chain(rest).collect::<Vec<_>>().join(" ");
    if typed.chars().count() > TYPED_CHARS_MAX {
        typed = typed.chars().take(TYPED_CHARS_MAX).chain(['…']).collect();
    }
    Some(format!("to send a message: {typed}"))
}

fn value(error: &clap::Error) -> (String, Option<String>) {
    let (of, given) =
        (text(error, ContextKind::InvalidArg), text(error, ContextKind::InvalidValue));
    let valid = text(error, ContextKind::ValidValue);
    if given.is_empty() && error.source().is_none() {
        let one_of = if valid.is_empty() { valid } else { format!(": {valid}") };
        return (format!("a value is required for '{of}'{one_of}"), None);
    }
    let why = match error.source() {
        Some(_) if of.ends_with("<N>") && units::is_negative(&given) => {
            "it must not be negative".into()
        }
        Some(source) => reason(source),
        None => format!("possible values are {valid}"),
    };
    let near = known::nearest(&given, valid.split(", ").map(str::to_owned));
    let tip = near.map(|name| format!("did you mean {name}?"));
    (format!("invalid value '{given}' for '{of}': {why}"), tip)
}

/// Explains why a value is refused. The upper end of a range that covers a whole integer type is
/// left out.
pub(crate) fn reason(source: &dyn Error) -> String {
    let text = source.to_string();
    let range = text.split_once(" is not in ").and_then(|(_, range)| range.split_once(".."));
    if let Some((least, most)) = range {
        let has_end = most.trim_start_matches('=').parse().is_ok_and(|most: u32| most < u32::MAX);
        return if has_end { text } else { format!("it must be at least {least}") };
    }
    match text.as_str() {
        "invalid digit found in string" | "cannot parse integer from empty string" => {
            "write a whole number".into()
        }
        "number too large to fit in target type" => "the number is too large".into(),
        _ => text,
    }
}

fn missing(error: &clap::Error) -> (String, Option<String>) {
    let names = match error.get(ContextKind::InvalidArg) {
        Some(ContextValue::Strings(names)) => names.join(" and "),
        _ => String::new(),
    };
    (format!("missing argument: {names}"), None)
}

fn conflict(error: &clap::Error) -> (String, Option<String>) {
    let one = text(error, ContextKind::InvalidArg);
    let other = match error.get(ContextKind::PriorArg) {
        Some(ContextValue::String(name)) => flag(name).to_owned(),
        Some(ContextValue::Strings(names)) => {
            names.iter().map(|name| flag(name)).collect::<Vec<_>>().join("' or '")
        }
        _ => String::new(),
    };
    let (one, tip) = (flag(&one), Some("use only one of them".to_owned()));
    if one == other || other.is_empty() {
        return (format!("'{one}' can be given only once"), Some("leave out one".into()));
    }
    (format!("'{one}' cannot be used with '{other}'"), tip)
}

/// The first line of clap's own message.
fn first_line(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let line = text.lines().next().unwrap_or_default();
    line.strip_prefix("error: ").unwrap_or(line).to_owned()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use clap::CommandFactory;

    use super::{failure, reason};
    use crate::cli::command::Cli;

    /// Renders the failure of a wrong command line: error, hint and usage.
    fn said(line: &str) -> String {
        let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
        let Err(error) = Cli::command().try_get_matches_from(&args) else {
            panic!("{line} is right");
        };
        format!("{:?}", failure(&error, &args))
    }

    #[test]
    fn the_best_guess_stands_first() {
        for (line, hint) in [
            ("qmsg sned bob", "did you mean send?"),
            ("qmsg lsten", "did you mean listen?"),
            ("qmsg snd bob", "did you mean send?"),
            ("qmsg jion bob", "did you mean join?"),
            ("qmsg later lst", "did you mean list?"),
            ("qmsg send bob --priorty 1", "did you mean --priority?"),
            ("qmsg send bob --ttle x", "did you mean --title?"),
            ("qmsg bob hi", "qmsg send bob hi"),
            ("qmsg @ops", "qmsg send @ops"),
            ("qmsg send -x bob", "qmsg send bob -- TEXT"),
            ("qmsg listen bob", "--as bob"),
            ("qmsg listen @ops", "--room @ops"),
            ("qmsg serve --port 5000", "--listen :5000"),
            ("qmsg serve 5000", "--listen :5000"),
            ("qmsg serve localhost:5000", "--listen localhost:5000"),
            ("qmsg send --to bob hi", "qmsg send TARGET"),
            ("qmsg send bob --until acepted", "did you mean accepted?"),
        ] {
            let said = said(line);
            assert!(said.contains(hint), "{line}: {said}");
            assert!(!said.contains("as a value"), "{line}: {said}");
        }
        assert!(said("qmsg xyzzy").contains("qmsg --help"));
    }

    #[test]
    fn it_is_said_what_is_wrong() {
        for (line, what) in [
            ("qmsg send", "missing argument: <TARGET[,TARGET…]>"),
            ("qmsg listen -n 0", "invalid value '0' for '--count <N>': it must be at least 1"),
            ("qmsg listen -n x", "invalid value 'x' for '--count <N>': write a whole number"),
            ("qmsg serve --threads 999", "999 is not in 1..=256"),
            ("qmsg listen --raw --json", "'--raw' cannot be used with '--json'"),
            ("qmsg send bob --json --json", "'--json' can be given only once"),
            ("qmsg send bob --until", "a value is required for '--until <LEVEL>'"),
            ("qmsg send bob --until read", "possible values are accepted, delivered, processed"),
            ("qmsg send bob --timeout soon", "invalid value 'soon' for '--timeout <TIME>': write"),
            ("qmsg send bob --in 2 hours hi", "'2' for '--in <TIME>': a unit is missing"),
            ("qmsg send bob --ttl 5 hi", "'5' for '--ttl <TIME>': a unit is missing"),
            ("qmsg send bob --in -5s x", "'-5s' for '--in <TIME>': it must not be negative"),
            ("qmsg send bob --in=-5s x", "'-5s' for '--in <TIME>': it must not be negative"),
            ("qmsg send bob --wrap --tail -1 -- x", "'-1' for '--tail <N>': it must not be neg"),
            ("qmsg listen -n -1", "'-1' for '--count <N>': it must not be negative"),
            ("qmsg listen --count=-1", "'-1' for '--count <N>': it must not be negative"),
            ("qmsg send bob --tail 3 x", "missing argument: --wrap"),
            ("qmsg invite h --expires 0s", "for '--expires <TIME>': it must be longer than 0s"),
            ("qmsg serve --max-body 0", "for '--max-body <SIZE>': it must be at least 1"),
            ("qmsg later cancel", "missing argument: <ID|all>"),
        ] {
            let said = said(line);
            assert!(said.contains(what), "{line}: {said}");
        }
    }

    #[test]
    fn a_range_is_told_by_the_end_that_matters() {
        let range = |text: &str| reason(&*Box::<dyn std::error::Error>::from(text));
        assert_eq!(range("0 is not in 1..18446744073709551615"), "it must be at least 1");
        assert_eq!(range("9 is not in 1..=5"), "9 is not in 1..=5");
        assert_eq!(range("odd"), "odd");
    }
}
