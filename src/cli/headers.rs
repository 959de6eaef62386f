//! What is said about a message: titles, priorities and other headers, as people give them.

use std::time::Duration;

use anyhow::Result;
use clap::Args;
use clap::builder::TypedValueParser;

use crate::cli::values::lossy;
use crate::message::headers::{bad, checked_name, checked_value, fit};
use crate::text::clean::clean;
use crate::text::units;
use crate::wire::{HEADERS_LEN_MAX, HEADERS_MAX, Headers};

/// Headers that the program itself reads: without a value they say nothing.
const OWN: [&str; 6] = ["title", "priority", "tags", "type", "ttl", "thread"];

/// Headers that are wanted, not checked yet. What makes messages without a command line fills in
/// what it has.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct HeaderArgs {
    /// Title of the message
    #[arg(
        short,
        long,
        value_name = "TEXT",
        value_parser = lossy(),
        allow_hyphen_values = true,
        help_heading = "Headers"
    )]
    pub(crate) title: Option<String>,
    /// Priority: min, low, default, high or max, or 1 to 5
    #[arg(
        short,
        long,
        value_name = "PRIORITY",
        value_parser = lossy(),
        help_heading = "Headers"
    )]
    pub(crate) priority: Option<String>,
    /// Tags, separated by commas
    #[arg(
        long,
        value_name = "TAG[,TAG…]",
        value_parser = lossy(),
        allow_hyphen_values = true,
        help_heading = "Headers"
    )]
    pub(crate) tags: Vec<String>,
    /// Media type of the body, such as text/markdown or application/json
    #[arg(long = "type", value_name = "TYPE", value_parser = lossy(), help_heading = "Headers")]
    pub(crate) media_type: Option<String>,
    /// Discard the message if it is not delivered within this time
    ///
    /// Written like 90s, 10m, 1h30m or 2d, always with a unit; at least a second, rounded up to
    /// whole seconds, and counted from when the server accepted the message. Whoever waits for it
    /// with --until is then told that it is gone.
    #[arg(
        long,
        value_name = "TIME",
        value_parser = units::duration_with_unit,
        help_heading = "Headers"
    )]
    pub(crate) ttl: Option<Duration>,
    /// Conversation id, such as the id of the first message of a conversation
    #[arg(
        long,
        value_name = "THREAD",
        value_parser = lossy(),
        allow_hyphen_values = true,
        help_heading = "Headers"
    )]
    pub(crate) thread: Option<String>,
    /// Any other header; can be repeated
    ///
    /// A name consists of letters, digits, - and _; case does not matter.
    #[arg(
        short = 'H',
        long = "header",
        value_name = "NAME: VALUE",
        value_parser = lossy().try_map(|text: String| pair(&text)),
        help_heading = "Headers"
    )]
    pub(crate) others: Vec<(String, String)>,
}

impl HeaderArgs {
    /// They all, cleaned, checked and as they are sent: names in lower case, none twice.
    pub(crate) fn headers(&self) -> Result<Headers> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for (name, value) in self.given() {
            let (name, value) = (checked_name(&name)?, clean(&value));
            if value.is_empty() && OWN.contains(&name.as_str()) {
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

    fn given(&self) -> impl Iterator<Item = (String, String)> {
        let tags = (!self.tags.is_empty()).then(|| self.tags.join(","));
        // What is worth delivering for a part of a second is so for all of it, but less than a
        // second is nothing.
        let ttl = self.ttl.map(|ttl| match ttl.as_secs() {
            0 => ttl.as_secs_f64().to_string(),
            _ => ttl.as_millis().div_ceil(1000).to_string(),
        });
        let known = [
            ("title", self.title.clone()),
            ("priority", self.priority.clone()),
            ("tags", tags),
            ("type", self.media_type.clone()),
            ("ttl", ttl),
            ("thread", self.thread.clone()),
        ];
        let known = known.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        // An empty argument counts as not given.
        let others = self.others.iter().filter(|pair| **pair != Default::default());
        known.chain(others.cloned())
    }
}

/// A header on the command line.
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
    use clap::Parser;

    use super::{HEADERS_LEN_MAX, HeaderArgs};
    use crate::message::headers::with;

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
        // Without the = of each.
        let len = found.concat().len() - found.len();
        assert!((HEADERS_LEN_MAX - 8..=HEADERS_LEN_MAX).contains(&len), "{len}");
        let found = HeaderArgs::default().headers().unwrap();
        let found = with(&with(&found, "title", "a\nb"), "title", "c");
        assert_eq!(found.iter().collect::<Vec<_>>(), [("title", "a b")]);
    }
}
