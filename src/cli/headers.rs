//! What is said about a message: titles, priorities and other headers, as people give them.

use std::time::Duration;

use anyhow::Result;
use clap::Args;

use crate::wire::{HEADERS_LEN_MAX, HEADERS_MAX, Headers};

use super::fail::{Exit, Failure};
use super::units;

/// Names of the five priorities, from 1 to 5.
pub(super) const PRIORITIES: [&str; 5] = ["min", "low", "default", "high", "max"];

/// Headers that are wanted, not checked yet. What makes messages without a command line fills in
/// what it has.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct HeaderArgs {
    /// A title for the message
    #[arg(long, value_name = "TEXT", help_heading = "Headers")]
    pub(super) title: Option<String>,
    /// How urgent it is: min, low, default, high or max, or 1 to 5
    #[arg(short, long, value_name = "PRIORITY", help_heading = "Headers")]
    pub(super) priority: Option<String>,
    /// Tags, separated by commas
    #[arg(long, value_name = "TAG[,TAG…]", help_heading = "Headers")]
    pub(super) tags: Vec<String>,
    /// What the body is, as a media type: text/markdown, application/json
    #[arg(long = "type", value_name = "TYPE", help_heading = "Headers")]
    pub(super) media_type: Option<String>,
    /// How long it is worth delivering; afterwards it is not delivered any more
    ///
    /// In whole seconds, counted from when the server took it.
    #[arg(long, value_name = "TIME", value_parser = units::duration, help_heading = "Headers")]
    pub(super) ttl: Option<Duration>,
    /// What it belongs to, such as the id of the first message of a conversation
    #[arg(long, value_name = "THREAD", help_heading = "Headers")]
    pub(super) thread: Option<String>,
    /// Another header; may be given several times
    ///
    /// A name is made of letters, digits, - and _, and is the same in upper and lower case.
    #[arg(
        short = 'H',
        long = "header",
        value_name = "NAME: VALUE",
        value_parser = pair,
        help_heading = "Headers"
    )]
    pub(super) others: Vec<(String, String)>,
}

impl HeaderArgs {
    /// They all, checked and as they are sent: names in lower case, none twice.
    pub(super) fn headers(&self) -> Result<Headers> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in self.given() {
            let name = checked_name(&name)?;
            let value = checked_value(&name, &value)?;
            if pairs.iter().any(|(before, _)| *before == name) {
                return Err(
                    bad(format!("the header {name} is given twice"), "leave out one").into()
                );
            }
            pairs.push((name, value));
        }
        Headers::new(pairs).map_err(|error| {
            let hint = format!(
                "{HEADERS_MAX} headers with {HEADERS_LEN_MAX} bytes in all are the limit; \
                 what is longer belongs into the body"
            );
            bad("the headers are too many or too long".into(), hint).because(error)
        })
    }

    fn given(&self) -> impl Iterator<Item = (String, String)> {
        let tags = (!self.tags.is_empty()).then(|| self.tags.join(","));
        // What is worth delivering for a part of a second is so for all of it.
        let ttl = self.ttl.map(|ttl| ttl.as_millis().div_ceil(1000).to_string());
        let known = [
            ("title", self.title.clone()),
            ("priority", self.priority.clone()),
            ("tags", tags),
            ("type", self.media_type.clone()),
            ("ttl", ttl),
            ("thread", self.thread.clone()),
        ];
        let known = known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        known.chain(self.others.iter().cloned())
    }
}

/// A header on the command line.
fn pair(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write it like 'Name: value'")?;
    Ok((name.trim().to_owned(), value.trim().to_owned()))
}

fn bad(what: String, hint: impl Into<String>) -> Failure {
    Failure::new(Exit::Usage, what).hint(hint)
}

fn checked_name(name: &str) -> Result<String, Failure> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    if name.is_empty() || !name.chars().all(allowed) {
        let hint = "a name is made of ASCII letters, digits, - and _, as in -H 'Ticket: 42'";
        return Err(bad(format!("{name:?} is no name of a header"), hint));
    }
    Ok(name.to_ascii_lowercase())
}

/// The value as it is sent. What the program itself reads has one spelling.
fn checked_value(name: &str, value: &str) -> Result<String, Failure> {
    if value.chars().any(char::is_control) {
        let what = format!("the header {name} has a newline or another control character in it");
        return Err(bad(
            what,
            "a header is one line of text; what has lines belongs into the body",
        ));
    }
    match name {
        "priority" => priority(value),
        "tags" => Ok(tags(value)),
        "type" => media_type(value),
        "ttl" => ttl(value),
        _ => Ok(value.to_owned()),
    }
}

fn priority(value: &str) -> Result<String, Failure> {
    let is = |(number, name): &(usize, &str)| {
        value.eq_ignore_ascii_case(name) || value == number.to_string()
    };
    let found = (1..).zip(PRIORITIES).find(is);
    let (number, _) = found.ok_or_else(|| {
        let hint = format!("it is one of {}, or 1 to 5", PRIORITIES.join(", "));
        bad(format!("there is no priority {value:?}"), hint)
    })?;
    Ok(number.to_string())
}

fn tags(value: &str) -> String {
    let tags: Vec<&str> = value.split(',').map(str::trim).filter(|tag| !tag.is_empty()).collect();
    tags.join(",")
}

/// Type and subtype (RFC 6838, section 4.2), perhaps with parameters.
fn media_type(value: &str) -> Result<String, Failure> {
    let is_token = |text: &str| {
        !text.is_empty()
            && text.chars().all(|c| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c))
    };
    let essence = value.split(';').next().unwrap_or_default().trim_end();
    match essence.split_once('/') {
        Some((kind, subtype)) if is_token(kind) && is_token(subtype) => Ok(value.to_owned()),
        _ => Err(bad(
            format!("{value:?} is no media type"),
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

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use clap::Parser;

    use super::HeaderArgs;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        headers: HeaderArgs,
    }

    /// What comes of these arguments: `name=value` of each, or what is wrong.
    fn headers(args: &[&str]) -> Result<Vec<String>, String> {
        let line = Line::try_parse_from([&["qmsg"], args].concat());
        let line = line.map_err(|error| error.to_string())?;
        let headers = line.headers.headers().map_err(|error| error.to_string())?;
        Ok(headers.iter().map(|(name, value)| format!("{name}={value}")).collect())
    }

    #[test]
    fn flags_become_headers() {
        let cases: [(&[&str], &[&str]); 11] = [
            (&[], &[]),
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
        let long = format!("long: {}", "x".repeat(9000));
        let many: Vec<String> = (0..65).map(|n| format!("-Hn{n}: 1")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let cases: [(&[&str], &str); 17] = [
            (&["-p", "urgent"], "no priority \"urgent\""),
            (&["-p", "0"], "no priority \"0\""),
            (&["-p", ""], "no priority \"\""),
            (&["-H", "no colon"], "write it like 'Name: value'"),
            (&["-H", ": x"], "\"\" is no name"),
            (&["-H", "a b: x"], "\"a b\" is no name"),
            (&["-H", "ä: x"], "\"ä\" is no name"),
            (&["-H", "a: x\ny"], "header a has a newline"),
            (&["--title", "a\u{1b}[2Jb"], "header title has a newline or another control"),
            (&["--title", "a", "-H", "Title: b"], "title is given twice"),
            (&["-H", "x: 1", "-H", "X: 2"], "x is given twice"),
            (&["--ttl", "0"], "cannot live for \"0\" seconds"),
            (&["-H", "ttl: 10m"], "cannot live for \"10m\" seconds"),
            (&["--ttl", "soon"], "write it like"),
            (&["--type", "json"], "\"json\" is no media type"),
            (&["-H", &long], "too many or too long"),
            (&many, "too many or too long"),
        ];
        for (args, wanted) in cases {
            let error = headers(args).unwrap_err();
            assert!(error.contains(wanted), "{args:?}: {error}");
        }
    }
}
