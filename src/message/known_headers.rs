//! The headers that qmsg itself knows, a row each. From the rows come the flags of `send` and `ask`
//! with the checks of their values, the letters of `listen --format`, the variables of handlers,
//! and the listings in help texts and man pages.

use crate::failure::{Exit, Failure};
use crate::wire::TTL_HEADER;

pub(crate) const TITLE: &str = "title";
pub(crate) const PRIORITY: &str = "priority";
pub(crate) const TAGS: &str = "tags";
pub(crate) const TYPE: &str = "type";
pub(crate) const THREAD: &str = "thread";
/// Bytes of the whole text of a message that is an excerpt, as a decimal number.
pub(crate) const TRUNCATED: &str = "truncated";
/// Exit code of the command of `send --wrap`.
pub(crate) const EXIT: &str = "exit";
/// Seconds that the command of `send --wrap` took.
pub(crate) const DURATION: &str = "duration";
/// Sender of a mail, by its envelope or its text.
pub(crate) const MAIL_FROM: &str = "mail-from";
/// Full name of the sender of a mail.
pub(crate) const MAIL_NAME: &str = "mail-name";
/// Parts of a mail that were left out, as a decimal number.
pub(crate) const ATTACHMENTS: &str = "attachments";

/// Names of the five priorities, from 1 to 5.
pub(crate) const PRIORITIES: [&str; 5] = ["min", "low", "default", "high", "max"];

/// A known header, and where people meet it.
pub(crate) struct KnownHeader {
    /// Name in lower case.
    pub(crate) name: &'static str,
    /// Flag of `send` and `ask`.
    pub(crate) flag: Option<HeaderFlag>,
    /// Letter in `listen --format`.
    pub(crate) letter: Option<HeaderLetter>,
    /// End of the name of the variable of handlers.
    pub(crate) variable: Option<&'static str>,
    /// Checks a value and returns it in its one spelling.
    pub(crate) check: fn(&str) -> Result<String, Failure>,
}

/// The flag that sets a header. It is called like the header.
pub(crate) struct HeaderFlag {
    pub(crate) short: Option<char>,
    pub(crate) value_name: &'static str,
    pub(crate) value: FlagValue,
    /// True if the value may begin with a dash.
    pub(crate) may_begin_with_dash: bool,
    pub(crate) help: &'static str,
    /// Second paragraph of the help text.
    pub(crate) more: Option<&'static str>,
    /// Remark in qmsg-send(1), in roff, about how the value is sent.
    pub(crate) sent_as: Option<&'static str>,
}

/// The form of a flag's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FlagValue {
    /// One text. An empty one counts as not given.
    Text,
    /// A text that can be given several times; the texts are joined by commas.
    List,
    /// A time with its unit, sent in whole seconds.
    Seconds,
}

/// The letter that stands for a header in a format.
pub(crate) struct HeaderLetter {
    pub(crate) letter: char,
    /// Description in qmsg-listen(1).
    pub(crate) about: &'static str,
}

/// A header without a flag, a letter or a variable: the program sets it.
const SET_BY_QMSG: KnownHeader =
    KnownHeader { name: "", flag: None, letter: None, variable: None, check: any };

/// A flag with a text as its value.
const TEXT_FLAG: HeaderFlag = HeaderFlag {
    short: None,
    value_name: "TEXT",
    value: FlagValue::Text,
    may_begin_with_dash: false,
    help: "",
    more: None,
    sent_as: None,
};

/// All known headers. Flags, letters and variables are listed in this order.
pub(crate) const KNOWN: &[KnownHeader] = &[
    KnownHeader {
        name: TITLE,
        flag: Some(HeaderFlag {
            short: Some('t'),
            may_begin_with_dash: true,
            help: "Title of the message",
            ..TEXT_FLAG
        }),
        letter: Some(HeaderLetter { letter: 'T', about: "The title." }),
        variable: Some("TITLE"),
        check: any,
    },
    KnownHeader {
        name: PRIORITY,
        flag: Some(HeaderFlag {
            short: Some('p'),
            value_name: "PRIORITY",
            help: "Priority: min, low, default, high or max, or 1 to 5",
            sent_as: Some("a number from 1 (min) to 5 (max)"),
            ..TEXT_FLAG
        }),
        letter: Some(HeaderLetter {
            letter: 'u',
            about: "The priority as its sender gave it, from 1 to 5.",
        }),
        variable: Some("PRIORITY"),
        check: priority,
    },
    KnownHeader {
        name: TAGS,
        flag: Some(HeaderFlag {
            value_name: "TAG[,TAG…]",
            value: FlagValue::List,
            may_begin_with_dash: true,
            help: "Tags, separated by commas",
            ..TEXT_FLAG
        }),
        letter: None,
        variable: Some("TAGS"),
        check: tags,
    },
    KnownHeader {
        name: TYPE,
        flag: Some(HeaderFlag {
            value_name: "TYPE",
            help: "Media type of the body, such as text/markdown or application/json",
            ..TEXT_FLAG
        }),
        letter: Some(HeaderLetter { letter: 'C', about: "The type of the body." }),
        variable: Some("TYPE"),
        check: media_type,
    },
    KnownHeader {
        name: TTL_HEADER,
        flag: Some(HeaderFlag {
            value_name: "TIME",
            value: FlagValue::Seconds,
            help: "Discard the message if it is not delivered within this time",
            more: Some(
                "Written like 90s, 10m, 1h30m or 2d, always with a unit; at least a second, \
                 rounded up to whole seconds, and counted from when the server accepted the \
                 message. A sender that waits with --until is then told that the message is gone.",
            ),
            sent_as: Some("in seconds"),
            ..TEXT_FLAG
        }),
        letter: Some(HeaderLetter { letter: 'E', about: "The time to live, in seconds." }),
        variable: None,
        check: ttl,
    },
    KnownHeader {
        name: THREAD,
        flag: Some(HeaderFlag {
            value_name: "THREAD",
            may_begin_with_dash: true,
            help: "Conversation id, such as the id of the first message of a conversation",
            ..TEXT_FLAG
        }),
        letter: Some(HeaderLetter { letter: 'D', about: "The thread." }),
        variable: Some("THREAD"),
        check: any,
    },
    KnownHeader { name: TRUNCATED, ..SET_BY_QMSG },
    KnownHeader { name: EXIT, ..SET_BY_QMSG },
    KnownHeader { name: DURATION, ..SET_BY_QMSG },
    KnownHeader { name: MAIL_FROM, ..SET_BY_QMSG },
    KnownHeader { name: MAIL_NAME, ..SET_BY_QMSG },
    KnownHeader { name: ATTACHMENTS, ..SET_BY_QMSG },
];

/// Finds the row of a header by its name in lower case.
pub(crate) fn known(name: &str) -> Option<&'static KnownHeader> {
    KNOWN.iter().find(|header| header.name == name)
}

/// Known headers with a flag.
pub(crate) fn flags() -> impl Iterator<Item = (&'static str, &'static HeaderFlag)> {
    KNOWN.iter().filter_map(|header| Some((header.name, header.flag.as_ref()?)))
}

/// Known headers with a letter.
pub(crate) fn letters() -> impl Iterator<Item = (&'static str, &'static HeaderLetter)> {
    KNOWN.iter().filter_map(|header| Some((header.name, header.letter.as_ref()?)))
}

/// Known headers with a variable, and the end of its name.
pub(crate) fn variables() -> impl Iterator<Item = (&'static str, &'static str)> {
    KNOWN.iter().filter_map(|header| Some((header.name, header.variable?)))
}

/// Parses a priority, by its name or its number, to the number from 1 to 5.
pub(crate) fn priority_number(value: &str) -> Option<usize> {
    let is = |(number, name): &(usize, &str)| {
        value.eq_ignore_ascii_case(name) || value == number.to_string()
    };
    (1..).zip(PRIORITIES).find(is).map(|(number, _)| number)
}

/// A usage error about a header.
pub(crate) fn bad(what: String, hint: impl Into<String>) -> Failure {
    Failure::new(Exit::Usage, what).hint(hint)
}

fn any(value: &str) -> Result<String, Failure> {
    Ok(value.to_owned())
}

fn priority(value: &str) -> Result<String, Failure> {
    let number = priority_number(value).ok_or_else(|| {
        let hint = format!("it is one of {}, or 1 to 5", PRIORITIES.join(", "));
        bad(format!("there is no priority {value:?}"), hint)
    })?;
    Ok(number.to_string())
}

fn tags(value: &str) -> Result<String, Failure> {
    let tags: Vec<&str> = value.split(',').map(str::trim).filter(|tag| !tag.is_empty()).collect();
    Ok(tags.join(","))
}

/// Checks for a type and subtype (RFC 6838, section 4.2), perhaps with parameters.
fn media_type(value: &str) -> Result<String, Failure> {
    let is_token = |text: &str| {
        !text.is_empty()
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c))
    };
    let essence = value.split(';').next().unwrap_or_default().trim_end();
    match essence.split_once('/') {
        Some((kind, subtype)) if is_token(kind) && is_token(subtype) => Ok(value.to_owned()),
        _ => Err(bad(
            format!("{value:?} is not a media type"),
            "write it like text/markdown or application/json",
        )),
    }
}

fn ttl(value: &str) -> Result<String, Failure> {
    match value.parse::<u64>() {
        Ok(seconds @ 1..) => Ok(seconds.to_string()),
        _ => Err(bad(
            format!("a message cannot live for {value:?} seconds"),
            "--ttl takes a time of a second or more, such as 30s, 10m or 24h",
        )),
    }
}
