//! Words of a message text, and options among them. From the first word of a text on, all words are
//! text.

use std::ffi::{OsStr, OsString};

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgMatches, Command};

use crate::failure::{Exit, Failure};
use crate::message::known_headers;

/// Verbs that take a text.
const VERBS: [&str; 2] = ["send", "ask"];
/// Id of the argument that collects the words.
const TEXT: &str = "text";
/// Options, besides those for headers, whose values may begin with a dash. A value that is itself
/// an option was probably meant as one.
const FREE: [&str; 2] = ["message", "key"];
/// The word that ends the options.
const ESCAPE: &str = "--";

/// Inserts `--` before the first word that begins with a dash and cannot be an option, such as
/// `-10` or `- a list`, so that it begins the text. `None` if the error is not about such a word.
pub(crate) fn as_text(args: &[OsString], error: &clap::Error) -> Option<Vec<OsString>> {
    let Some(ContextValue::String(option)) = error.get(ContextKind::InvalidArg) else {
        return None;
    };
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let verb = args.iter().position(|arg| VERBS.iter().any(|verb| arg == verb))?;
    let is_meant = |arg: &OsString| is_no_option(arg) && has(arg, option);
    let word = verb + 1 + args[verb + 1..].iter().position(is_meant)?;
    Some([&args[..word], &[ESCAPE.into()], &args[word..]].concat())
}

/// True for a word that begins with a dash and can only be text.
fn is_no_option(word: &OsStr) -> bool {
    let word = word.to_string_lossy();
    let name = word.trim_start_matches('-').split('=').next().unwrap_or_default();
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic());
    // A word of control characters is a damaged option, not text.
    let is_odd = |c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER;
    let is_damaged = word.starts_with(ESCAPE) && name.contains(is_odd);
    let is_one = begins || is_damaged;
    word.starts_with('-') && (!is_one || name.contains(char::is_whitespace))
}

/// True when the unknown option stands in this word.
fn has(word: &OsStr, option: &str) -> bool {
    let word = word.to_string_lossy();
    let is_cluster = !word.starts_with(ESCAPE) && !option.starts_with(ESCAPE);
    word.starts_with(option) || is_cluster && word.contains(option.trim_start_matches('-'))
}

/// Refuses options after the beginning of a text, and options as values of other options. The
/// intention is unclear, and a message sent by mistake cannot be taken back. `command` builds the
/// command that parsed the line.
pub(crate) fn check(
    args: &[OsString],
    found: &ArgMatches,
    command: impl FnOnce() -> Command,
) -> Result<(), Failure> {
    let Some((verb, given)) = found.subcommand().filter(|(verb, _)| VERBS.contains(verb)) else {
        return Ok(());
    };
    let raw = |id: &str| given.try_get_raw(id).ok().flatten().into_iter().flatten();
    // A value written with `=` is certainly meant as a value.
    let is_alone = |value: &&OsStr| args.iter().any(|arg| arg == value);
    let headers = known_headers::flags().filter(|(_, flag)| flag.may_begin_with_dash);
    let free = FREE.into_iter().chain(headers.map(|(name, _)| name));
    let values = free.flat_map(raw).filter(is_alone).map(OsStr::to_string_lossy);
    let values: Vec<_> = values.filter(|value| value.starts_with(ESCAPE)).collect();
    let (before, text) = args.split_at(args.len().saturating_sub(raw(TEXT).count()));
    let is_command = matches!(given.try_get_one::<bool>("wrap"), Ok(Some(true)));
    let is_free = is_command || before.iter().any(|arg| arg == ESCAPE);
    let words = text.iter().skip(1).filter(|_| !is_free).map(|word| word.to_string_lossy());
    let words: Vec<_> = words.filter(|word| word.starts_with('-')).collect();
    if values.is_empty() && words.is_empty() {
        return Ok(());
    }
    let command = command();
    let options = VerbOptions::of_verb(&command, verb);
    if let Some(value) = values.iter().find(|value| options.are_with_long(value)) {
        let what = format!("{value} stands where a value is expected");
        let hint = "if it is meant to be the value, write it like --title=VALUE";
        return Err(Failure::new(Exit::Usage, what).hint(hint));
    }
    let Some(word) = words.iter().find(|word| options.are(word)) else { return Ok(()) };
    let hint = format!(
        "put options before the text; if {word} is part of it, quote the whole text or put -- \
         before it"
    );
    Err(Failure::new(Exit::Usage, format!("{word} comes after the text")).hint(hint))
}

/// The options of a verb.
struct VerbOptions<'a>(Vec<&'a Arg>);

impl<'a> VerbOptions<'a> {
    fn of_verb(command: &'a Command, verb: &str) -> Self {
        let own = command.find_subcommand(verb).into_iter().flat_map(Command::get_arguments);
        Self(own.chain(command.get_arguments()).collect())
    }

    /// True when the word would be parsed as options.
    fn are(&self, word: &str) -> bool {
        let mut letters = word.chars().skip(1);
        if !word.starts_with('-') || word.starts_with(ESCAPE) {
            return self.are_with_long(word);
        }
        // Longer words are more often text than options.
        match (letters.next(), letters.next(), letters.next()) {
            (Some('h'), None, _) => true,
            (Some(one), None, _) => self.short(one).is_some(),
            (Some(one), Some(other), None) => self.short(one).is_some_and(|option| {
                option.get_action().takes_values() || self.short(other).is_some()
            }),
            _ => false,
        }
    }

    fn are_with_long(&self, word: &str) -> bool {
        let Some(name) = word.strip_prefix(ESCAPE).and_then(|rest| rest.split('=').next()) else {
            return false;
        };
        let is_it = |option: &&Arg| {
            let aliases = option.get_all_aliases().unwrap_or_default();
            option.get_long() == Some(name) || aliases.contains(&name)
        };
        name == "help" || self.0.iter().any(is_it)
    }

    fn short(&self, letter: char) -> Option<&Arg> {
        self.0.iter().copied().find(|option| option.get_short() == Some(letter))
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use std::ffi::OsString;

    use clap::CommandFactory;

    use super::{as_text, check};
    use crate::cli::command::Cli;

    /// Parses a command line. Returns its text, or the error.
    fn text(line: &[&str]) -> Result<Vec<String>, String> {
        let mut args: Vec<OsString> = line.iter().map(OsString::from).collect();
        args.insert(0, "qmsg".into());
        let parse = |args: &[OsString]| Cli::command().try_get_matches_from(args);
        let found = parse(&args).or_else(|error| {
            args = as_text(&args, &error).ok_or(error.to_string())?;
            parse(&args).map_err(|_| error.to_string())
        })?;
        check(&args, &found, Cli::command).map_err(|failure| failure.to_string())?;
        let (_, given) = found.subcommand().unwrap();
        let words = given.get_raw("text").into_iter().flatten();
        Ok(words.map(|word| word.to_str().unwrap().to_owned()).collect())
    }

    #[test]
    fn after_the_first_word_all_is_text() {
        for (line, wanted) in [
            (&["send", "bob", "buy", "5", "-10", "%", "off"][..], 1),
            (&["send", "bob", "-p", "max", "rm", "-rf", "/tmp"], 3),
            (&["send", "bob", "a", "--foo", "-zz", "-"], 1),
            (&["ask", "bob", "what", "is", "-1", "squared"], 1),
            (&["-q", "send", "--as", "zed", "bob", "ls", "-la"], 1),
            (&["send", "bob", "--", "-v", "--as", "x"], 2),
            (&["send", "--", "bob", "say", "--as", "x"], 1),
            (&["send", "bob", "-10", "%", "off"], 1),
            (&["send", "bob", "- one\n- two"], 1),
            (&["send", "bob", "--- report ---", "-x"], 1),
            (&["send", "bob", "-new disks: 2"], 1),
            (&["send", "bob", "-> see"], 1),
            (&["send", "bob", "-p", "low", "-5 °C"], 3),
            (&["send", "bob", "--wrap", "make", "-q", "--json"], 2),
            (&["send", "bob", "see -p 3 of it"], 1),
        ] {
            let from = line.iter().position(|word| *word == "bob").unwrap() + wanted;
            assert_eq!(text(line).unwrap(), line[from..], "{line:?}");
        }
    }

    #[test]
    fn an_option_after_the_text_is_refused() {
        for word in ["-v", "-q", "-p", "-p3", "-vv", "--title", "--as=x", "--json", "--help", "-h"]
        {
            for verb in ["send", "ask"] {
                let error = text(&[verb, "bob", "one", word, "more"]).unwrap_err();
                assert_eq!(error, format!("{word} comes after the text"));
            }
        }
        for line in [
            &["send", "bob", "--titel", "x", "text"][..],
            &["send", "bob", "--titel=a b", "text"],
            &["send", "bob", "-x", "text"],
            &["send", "bob", "--\u{1b}[31mfoo", "text"],
            &["send", "bob", "--\u{fffd}", "text"],
            &["send", "-5 x", "bob", "text"],
            &["listen", "-5 x"],
        ] {
            assert!(text(line).is_err(), "{line:?}");
        }
    }

    #[test]
    fn an_option_is_no_value() {
        for option in ["--title", "-t", "--tags", "--thread", "-m", "--id"] {
            let error = text(&["send", "bob", option, "--json"]).unwrap_err();
            assert!(error.contains("where a value is expected"), "{error}");
        }
        assert_eq!(text(&["send", "bob", "--title=--json", "x"]).unwrap(), ["x"]);
        assert_eq!(text(&["send", "bob", "--title", "-5 °C", "x"]).unwrap(), ["x"]);
        assert_eq!(text(&["send", "bob", "-m", "--- x"]), Ok(vec![]));
    }
}
