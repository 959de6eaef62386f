//! The flags that select messages.

use clap::Args;

use crate::cli::values;
use crate::handler::filter::{Filter, Priority};
use crate::text::units;
use crate::wire::{Target, UserId};

/// Filter flags. A message has to match all that are given.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Filter options")]
pub(crate) struct FilterArgs {
    /// Receive only messages from these users
    ///
    /// Can be given several times. Messages that do not match --from, --room, --priority and
    /// --title remain unprocessed on the server, for other listeners or a later one.
    #[arg(long, value_name = "ID[,ID…]", value_delimiter = ',', value_parser = units::user)]
    from: Vec<UserId>,
    /// Receive only messages sent to these rooms, or to @all
    #[arg(long, value_name = "@ROOM[,@ROOM…]", value_delimiter = ',', value_parser = room)]
    room: Vec<Target>,
    /// Receive only messages with at least this priority, or 1 to 5
    ///
    /// Messages without a priority have the default one.
    #[arg(long, value_name = "PRIORITY", value_parser = values::priority())]
    priority: Option<Priority>,
    /// Receive only messages with this text in the title (case is ignored)
    #[arg(long, value_name = "TEXT")]
    title: Option<String>,
}

impl FilterArgs {
    pub(crate) fn filter(&self) -> Filter {
        let Self { from, room, priority, title } = self.clone();
        Filter::new(from, room, priority, title)
    }
}

fn room(text: &str) -> Result<Target, String> {
    match text.parse() {
        Ok(Target::User(_)) => Err("a room is written with an @ in front: @ops".into()),
        Ok(target) => Ok(target),
        Err(why) => Err(format!("{why}")),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
mod tests {
    use clap::Parser;

    use super::FilterArgs;
    use crate::handler::filter::Filter;
    use crate::wire::{Body, Envelope, Headers, Message, MsgId};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        filter: FilterArgs,
    }

    fn filter(args: &[&str]) -> Result<Filter, clap::Error> {
        Line::try_parse_from([&["listen"], args].concat()).map(|line| line.filter.filter())
    }

    fn message(from: &str, to: &str, headers: &[(&str, &str)]) -> Message {
        let pairs = headers.iter().map(|(name, value)| ((*name).into(), (*value).into()));
        Message {
            from: from.parse().unwrap(),
            time_ms: 1,
            envelope: Envelope {
                id: MsgId::new(1, [7; 10]),
                to: to.parse().unwrap(),
                headers: Headers::new(pairs.collect()).unwrap(),
                size: 0,
                body: Body::default(),
            },
        }
    }

    #[test]
    fn all_that_is_given_has_to_fit() {
        let plain = message("alice", "bob", &[]);
        let urgent = message("carol", "@ops", &[("priority", "4"), ("title", "Disk FULL on db1")]);
        let odd = message("alice", "@all", &[("priority", "soon"), ("title", "")]);
        let cases: [(&[&str], [bool; 3]); 15] = [
            (&[], [true, true, true]),
            (&["--from", "alice"], [true, false, true]),
            (&["--from", "ALICE,carol"], [true, true, true]),
            (&["--from", "dave", "--from", "carol"], [false, true, false]),
            (&["--room", "@ops"], [false, true, false]),
            (&["--room", "@Ops,@all"], [false, true, true]),
            (&["--priority", "min"], [true, true, true]),
            (&["--priority", "default"], [true, true, true]),
            (&["--priority", "3"], [true, true, true]),
            (&["--priority", "high"], [false, true, false]),
            (&["--priority", "5"], [false, false, false]),
            (&["--title", "disk full"], [false, true, false]),
            (&["--title", ""], [true, true, true]),
            (&["--from", "alice", "--room", "@all"], [false, false, true]),
            (&["--from", "alice", "--title", "DISK"], [false, false, false]),
        ];
        for (args, wanted) in cases {
            let filter = filter(args).unwrap();
            let taken = [&plain, &urgent, &odd].map(|message| filter.takes(message));
            assert_eq!(taken, wanted, "{args:?}");
            assert_eq!(filter.is_open(), args.is_empty());
        }
    }

    #[test]
    fn what_is_no_filter_is_said() {
        for (args, why) in [
            (["--from", "b b"], "not allowed"),
            (["--from", "alice,"], "it is empty"),
            (["--room", "ops"], "with an @ in front"),
            (["--room", "@"], "it is empty"),
            (["--priority", "6"], "possible values: min, low, default, high, max"),
            (["--priority", ""], "possible values"),
        ] {
            let error = filter(&args).unwrap_err().to_string();
            assert!(error.contains(why), "{args:?}: {error}");
        }
    }
}
