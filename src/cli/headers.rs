//! The flags for the headers of a message, made from the table of known headers.

use std::time::Duration;

use anyhow::Result;
use clap::builder::TypedValueParser;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use crate::cli::values::lossy;
use crate::handler::environment;
use crate::message::headers::{checked_name, checked_value, fit};
use crate::message::known_headers::{self, FlagValue, HeaderFlag, bad};
use crate::text::clean::clean;
use crate::text::units;
use crate::wire::{HEADERS_LEN_MAX, HEADERS_MAX, Headers};

/// Heading of the flags in help texts.
const HEADING: &str = "Headers";
/// Id of the argument for headers without a flag of their own.
const OTHERS: &str = "others";

/// Headers as given, not checked yet. Code that makes messages without a command line adds its own.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeaderArgs {
    /// Values of headers that have flags, by name.
    flags: Vec<(&'static str, String)>,
    /// Names and values of all other headers, in their order.
    others: Vec<(String, String)>,
}

impl HeaderArgs {
    /// Adds a header.
    pub(crate) fn add(&mut self, name: &'static str, value: String) {
        match known_headers::known(name).is_some_and(|header| header.flag.is_some()) {
            true => self.flags.push((name, value)),
            false => self.others.push((name.to_owned(), value)),
        }
    }

    /// Adds a header unless its flag was given. An empty value counts as not given.
    pub(crate) fn add_default(&mut self, name: &'static str, value: String) {
        self.flags.retain(|(given, value)| *given != name || !clean(value).is_empty());
        if self.flags.iter().all(|(given, _)| *given != name) {
            self.add(name, value);
        }
    }

    /// Checks all headers and returns them in the form that is sent: cleaned, with names in lower
    /// case, each name once.
    pub(crate) fn headers(&self) -> Result<Headers> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in self.given() {
            let (name, value) = (checked_name(name)?, clean(value));
            // Headers that qmsg itself reads are left out if empty.
            let is_own = known_headers::flags().any(|(known, _)| known == name);
            if value.is_empty() && is_own {
                continue;
            }
            let value = checked_value(&name, &value)?;
            if pairs.iter().any(|(before, _)| *before == name) {
                return Err(
                    bad(format!("the header {name} is given twice"), "leave out one").into()
                );
            }
            pairs.push((name, value));
        }
        fit(&mut pairs);
        Headers::new(pairs).map_err(|error| {
            let hint = format!(
                "at most {HEADERS_MAX} headers, with {HEADERS_LEN_MAX} bytes in all; \
                 put the rest in the body"
            );
            bad("the headers are too many or too long".into(), hint).because(error)
        })
    }

    /// Returns the headers in the order of the table, then the others.
    fn given(&self) -> impl Iterator<Item = (&str, &str)> {
        let of_flag = |name| self.flags.iter().filter(move |(given, _)| *given == name);
        let known = known_headers::flags().flat_map(move |(name, _)| of_flag(name));
        let known = known.map(|(name, value)| (*name, value.as_str()));
        // An empty argument counts as not given.
        let others = self.others.iter().filter(|pair| **pair != Default::default());
        known.chain(others.map(|(name, value)| (name.as_str(), value.as_str())))
    }
}

impl FromArgMatches for HeaderArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let flags = known_headers::flags()
            .filter_map(|(name, flag)| Some((name, flag_value(matches, name, flag.value)?)));
        let others = matches.get_many(OTHERS).into_iter().flatten().cloned();
        Ok(Self { flags: flags.collect(), others: others.collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for HeaderArgs {
    fn augment_args(command: Command) -> Command {
        let flags = known_headers::flags().map(|(name, flag)| arg(name, flag));
        let others = Arg::new(OTHERS)
            .short('H')
            .long("header")
            .value_name("NAME: VALUE")
            .value_parser(lossy().try_map(|text: String| pair(&text)))
            .action(ArgAction::Append)
            .help("Any other header; can be repeated")
            .long_help(
                "Any other header; can be repeated\n\nA name consists of letters, digits, - and _; \
                 case does not matter.",
            )
            .help_heading(HEADING);
        command.args(flags).arg(others)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// Builds the argument of a flag.
fn arg(name: &'static str, flag: &'static HeaderFlag) -> Arg {
    let arg = Arg::new(name)
        .long(name)
        .value_name(flag.value_name)
        .help(flag.help)
        .allow_hyphen_values(flag.may_begin_with_dash)
        .help_heading(HEADING);
    let arg = match flag.value {
        FlagValue::Text => arg.value_parser(lossy()).action(ArgAction::Set),
        FlagValue::List => arg.value_parser(lossy()).action(ArgAction::Append),
        FlagValue::Seconds => arg.value_parser(units::duration_with_unit).action(ArgAction::Set),
    };
    let arg = match flag.short {
        Some(short) => arg.short(short),
        None => arg,
    };
    match flag.more {
        Some(more) => arg.long_help(format!("{}\n\n{more}", flag.help)),
        None => arg,
    }
}

/// Reads the value of a flag as text; `None` if it was not given.
fn flag_value(matches: &ArgMatches, name: &str, value: FlagValue) -> Option<String> {
    match value {
        FlagValue::Text => matches.get_one(name).cloned(),
        FlagValue::List => {
            Some(matches.get_many::<String>(name)?.cloned().collect::<Vec<_>>().join(","))
        }
        FlagValue::Seconds => matches.get_one(name).copied().map(seconds),
    }
}

/// Rounds up to whole seconds. Less than a second stays a fraction, which the check refuses.
fn seconds(time: Duration) -> String {
    match time.as_secs() {
        0 => time.as_secs_f64().to_string(),
        _ => time.as_millis().div_ceil(1000).to_string(),
    }
}

/// The listings of known headers in the man pages, in roff: the line that stands for each in the
/// prose, and its text.
#[doc(hidden)]
pub fn header_listings() -> [(&'static str, String); 4] {
    let flags: Vec<_> = known_headers::flags().collect();
    let plain = flags.iter().filter(|(_, flag)| flag.sent_as.is_none());
    let mut sets = "sets the header\n";
    let plain: Vec<String> = plain
        .map(|(name, _)| {
            let sets = std::mem::take(&mut sets);
            format!(".B \\-\\-{name}\n{sets}.IR {name} ")
        })
        .collect();
    let mut sets = "sets\n";
    let remarks: Vec<String> = flags
        .iter()
        .filter_map(|(name, flag)| {
            let (sent_as, sets) = (flag.sent_as?, std::mem::take(&mut sets));
            Some(format!(".B \\-\\-{name}\n{sets}.IR {name} ,\n{sent_as}"))
        })
        .collect();
    let texts = flags.iter().filter(|(_, flag)| flag.value != FlagValue::Seconds);
    let texts: Vec<&str> = texts.map(|(name, _)| *name).collect();
    let empty = texts.split_last().map(|(last, before)| match before.split_last() {
        None => format!(".B \\-\\-{last}\n"),
        Some((second, first)) => {
            let first: String = first.iter().map(|name| format!(".BR \\-\\-{name} ,\n")).collect();
            format!("{first}.B \\-\\-{second}\nor\n.B \\-\\-{last}\n")
        }
    });
    let letters = known_headers::letters()
        .map(|(_, letter)| format!(".TP\n.B %{}\n{}\n", letter.letter, letter.about));
    let variables = known_headers::variables();
    let variables: Vec<_> =
        variables.map(|(_, end)| format!("{}{end}", environment::PREFIX)).collect();
    [
        (
            ".\\\" headers: flags\n",
            format!("{}.\n{}.\n", plain.join(",\n"), remarks.join(", and\n")),
        ),
        (".\\\" headers: texts\n", empty.unwrap_or_default()),
        (".\\\" headers: letters\n", letters.collect()),
        (".\\\" headers: variables\n", format!(".BR {}\n", variables.join(" \", \" "))),
    ]
}

/// Parses a header of the command line. An empty argument gives an empty pair.
fn pair(text: &str) -> Result<(String, String), String> {
    if text.trim().is_empty() {
        return Ok(Default::default());
    }
    let (name, value) = text.split_once(':').ok_or("write it like 'Name: value'")?;
    if name.trim().is_empty() {
        return Err("a header has a name, as in 'Name: value'".into());
    }
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::{HEADERS_LEN_MAX, HeaderArgs, header_listings};
    use crate::cli::Cli;
    use crate::handler::environment::variables;
    use crate::message::headers::{checked_value, with};
    use crate::message::known_headers::{KNOWN, KnownHeader};
    use crate::message::received::tests::letter;
    use crate::message::render::format::fuzz;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        headers: HeaderArgs,
    }

    /// Parses arguments. Returns `name=value` for each header, or the error.
    fn headers(args: &[&str]) -> Result<Vec<String>, String> {
        let line = Line::try_parse_from([&["qmsg"], args].concat());
        let line = line.map_err(|error| error.to_string())?;
        let headers = line.headers.headers().map_err(|error| error.to_string())?;
        Ok(headers.iter().map(|(name, value)| format!("{name}={value}")).collect())
    }

    #[test]
    fn flags_become_headers() {
        let cases: [(&[&str], &[&str]); 19] = [
            (&[], &[]),
            (&["--title", "sda\t91%\r"], &["title=sda 91%"]),
            (&["-t", "\x1b[31mFAILED\x1b[0m\nat 3:00"], &["title=FAILED at 3:00"]),
            (
                &["--title", "-5 °C", "--tags", "-x", "--thread", "-"],
                &["title=-5 °C", "tags=-x", "thread=-"],
            ),
            (&["--title=", "-p", "", "--tags=", "--type", "\r", "--thread", " "], &[]),
            (&["-H", "", "-H", "priority: ", "-H", "Title:"], &[]),
            (&["--title", "", "-H", "Title: b"], &["title=b"]),
            (&["--tags", "a\nb,\x1b[1mc"], &["tags=a b,c"]),
            (&["-H", "a: x\ny", "-p", "high\n"], &["priority=4", "a=x y"]),
            (&["--title", "Disk full: 91 %"], &["title=Disk full: 91 %"]),
            (&["-p", "max"], &["priority=5"]),
            (&["--priority", "Low"], &["priority=2"]),
            (&["-p3"], &["priority=3"]),
            (&["--tags", "a, b,,", "--tags", "c"], &["tags=a,b,c"]),
            (&["--type", "text/plain; charset=utf-8"], &["type=text/plain; charset=utf-8"]),
            (&["--ttl", "1500ms"], &["ttl=2"]),
            (&["--ttl", "1h", "--thread", "t 1"], &["ttl=3600", "thread=t 1"]),
            (&["-H", "X-Ticket: 4:2 ", "-HB_1:"], &["x-ticket=4:2", "b_1="]),
            (&["-H", "Priority: high", "-H", "TAGS: x ,y"], &["priority=4", "tags=x,y"]),
        ];
        for (args, wanted) in cases {
            assert_eq!(headers(args).unwrap(), wanted, "{args:?}");
        }
    }

    #[test]
    fn what_is_no_header_is_named() {
        let many: Vec<String> = (0..65).map(|n| format!("-Hn{n}: 1")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let cases: [(&[&str], &str); 16] = [
            (&["-p", "urgent"], "no priority \"urgent\""),
            (&["-p", "0"], "no priority \"0\""),
            (&["-H", "no colon"], "write it like 'Name: value'"),
            (&["-H", ": x"], "a header has a name"),
            (&["-H", "a b: x"], "\"a b\" is not a valid header name"),
            (&["-H", "ä: x"], "\"ä\" is not a valid header name"),
            (&["--title", "a", "-H", "Title: b"], "title is given twice"),
            (&["-H", "x: 1", "-H", "X: 2"], "x is given twice"),
            (&["--ttl", "0"], "cannot live for \"0\" seconds"),
            (&["--ttl", "100ms"], "cannot live for \"0.1\" seconds"),
            (&["--ttl", "999ms"], "cannot live for \"0.999\" seconds"),
            (&["-H", "ttl: 0"], "cannot live for \"0\" seconds"),
            (&["-H", "ttl: 10m"], "cannot live for \"10m\" seconds"),
            (&["--ttl", "soon"], "write it like"),
            (&["--type", "json"], "\"json\" is not a media type"),
            (&many, "too many or too long"),
        ];
        for (args, wanted) in cases {
            let error = headers(args).unwrap_err();
            assert!(error.contains(wanted), "{args:?}: {error}");
        }
    }

    #[test]
    fn what_is_too_long_is_cut() {
        let (long, longer) = ("ü".repeat(3000), "x".repeat(9000));
        let given = ["--title", &long, "-H", &format!("a: {longer}"), "-H", "b: short"];
        let found = headers(&given).unwrap();
        let [title, a, b] = &found[..] else { panic!("{found:?}") };
        assert_eq!(title, &format!("title={long}"));
        assert!(a.starts_with("a=xx") && a.ends_with("x…") && b == "b=short", "{a} {b}");
        // Not counting the `=` of each.
        let len = found.concat().len() - found.len();
        assert!((HEADERS_LEN_MAX - 8..=HEADERS_LEN_MAX).contains(&len), "{len}");
        let found = HeaderArgs::default().headers().unwrap();
        let found = with(&with(&found, "title", "a\nb"), "title", "c");
        assert_eq!(found.iter().collect::<Vec<_>>(), [("title", "a b")]);
    }

    /// Returns a value that the header's check accepts.
    fn sample(header: &KnownHeader) -> &'static str {
        ["x", "a/b", "4"].into_iter().find(|value| (header.check)(value).is_ok()).unwrap()
    }

    fn page(name: &str) -> String {
        std::fs::read_to_string(format!("{}/man/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    #[test]
    fn a_row_yields_flag_letter_variable_check_and_documentation() {
        let cli = Cli::command();
        let listen = cli.find_subcommand("listen").unwrap();
        let format = listen.get_arguments().find(|arg| arg.get_id() == "format").unwrap();
        let format_help = format.get_long_help().unwrap().to_string();
        let sending = page("qmsg-send.1") + &page("qmsg-sendmail.1");
        let listening = page("qmsg-listen.1");
        for header in KNOWN {
            let (name, value) = (header.name, sample(header));
            assert_eq!(checked_value(name, value).unwrap(), value, "{name}");
            let is_set = |given: String| {
                headers(&[&given]).is_ok_and(|found| found == [format!("{name}={value}")])
            };
            let by_flag =
                is_set(format!("--{name}={value}")) || is_set(format!("--{name}={value}s"));
            assert_eq!(by_flag, header.flag.is_some(), "{name}");
            if let Some(flag) = &header.flag {
                for verb in ["send", "ask"] {
                    let args = cli.find_subcommand(verb).unwrap().get_arguments();
                    let arg = { args }.find(|arg| arg.get_long() == Some(name)).unwrap();
                    assert_eq!(arg.get_short(), flag.short);
                    assert!(arg.get_help().unwrap().to_string() == flag.help, "{name}");
                }
            }
            let received = letter("bob", &[(name, value)], b"");
            if let Some(letter) = &header.letter {
                let letter = letter.letter;
                assert_eq!(fuzz(&format!("%{letter}"), &received).unwrap(), value.as_bytes());
                assert!(format_help.contains(&format!("%{letter} {name},")), "{format_help}");
            }
            if let Some(end) = header.variable {
                let wanted = (format!("QMSG_MSG_{end}"), value.to_owned());
                assert!(variables(&received, 1).contains(&wanted), "{wanted:?}");
            }
            let name = name.replace('-', "\\-");
            let is_named = |font| sending.contains(&format!("{font} {name}"));
            assert!(is_named(".I") || is_named(".IR"), "{name} is in no man page");
        }
        for (mark, text) in header_listings() {
            assert!(sending.contains(&text) || listening.contains(&text), "{mark}{text}");
        }
    }
}
