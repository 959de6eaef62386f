//! Shell completion. The script in the shell runs this program for each word, since the candidates
//! include ids and rooms of this machine.

use std::ffi::{OsStr, OsString};

use anyhow::{Context, Result};
use clap::{Arg, Command, CommandFactory, ValueEnum};
use clap_complete::engine::{ArgValueCandidates, ArgValueCompleter, CompletionCandidate};

use crate::cli::command::Cli;
use crate::cli::verbs::completions::args::{CompletionShell, CompletionsArgs};
use crate::failure::Exit;
use crate::message::known_headers::PRIORITIES;
use crate::profile::known;
use crate::terminal::print;
use crate::wire::Target;

/// Environment variable that the scripts set to the name of the shell. Arguments after `--` are
/// then a line to complete.
const VARIABLE: &str = "QMSG_COMPLETE";

/// Script for bash. The script of the library splits words at @, as bash does, and offers file
/// names if there are no candidates.
const BASH: &str = r#"_qmsg() {
    local line=${COMP_LINE:0:COMP_POINT} IFS=$' \t\n'
    local -a words
    read -ra words <<<"$line"
    [[ $line == *[[:space:]] ]] && words+=("")
    local last=$((${#words[@]} - 1))
    # bash completes what follows the last @, = or : of a word.
    local before=${words[last]%"$2"}
    IFS=$'\013'
    COMPREPLY=($(_CLAP_IFS=$IFS _CLAP_COMPLETE_INDEX=$last QMSG_COMPLETE=bash \
        "$1" -- "${words[@]}" 2>/dev/null))
    COMPREPLY=("${COMPREPLY[@]#"$before"}")
    [[ ${#COMPREPLY[@]} == 1 && $COMPREPLY == */ ]] && compopt -o nospace 2>/dev/null
    return 0
}
complete -F _qmsg qmsg
"#;
/// Completes the first word in zsh. On that first call zsh runs the file itself, which would
/// otherwise only define the function.
const ZSH_LOADED: &str = r#"
[[ $funcstack[1] == _qmsg ]] && _clap_dynamic_completer_qmsg "$@"
"#;

/// Renders the script that a shell loads once.
pub fn completion_script(shell: CompletionShell) -> String {
    let mut script = Vec::new();
    let name = "qmsg";
    // Writing to a vector does not fail.
    let _ = shell.completer().write_registration(VARIABLE, name, name, name, &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        CompletionShell::Bash => BASH.to_owned(),
        CompletionShell::Zsh => script.trim_end().to_owned() + ZSH_LOADED,
        CompletionShell::Fish => script,
    }
}

pub(crate) fn run(args: &CompletionsArgs) -> Result<Exit> {
    print::pass(completion_script(args.shell).as_bytes()).context("stdout cannot be written")?;
    Ok(Exit::Success)
}

/// Answers a shell's request for candidates, if this run is one.
pub(crate) fn answer(args: &[OsString]) -> Option<Exit> {
    let shell = CompletionShell::from_str(std::env::var_os(VARIABLE)?.to_str()?, false).ok()?;
    // Ordinary command lines never begin with `--`, so a stray variable does not keep a message
    // from being sent.
    args.get(1).filter(|arg| *arg == "--")?;
    let line: Vec<_> = args.iter().skip(2).cloned().collect();
    let wants_flags = line.last().is_some_and(|word| word.as_encoded_bytes().starts_with(b"-"));
    let mut found = Vec::new();
    let here = std::env::current_dir().ok();
    let completer = shell.completer();
    completer.write_complete(&mut command(), line, here.as_deref(), &mut found).ok()?;
    let ends = if shell == CompletionShell::Bash { b'\x0b' } else { b'\n' };
    let is_wanted = |word: &&[u8]| wants_flags || !word.starts_with(b"-");
    let words: Vec<&[u8]> = found.split(|&byte| byte == ends).filter(is_wanted).collect();
    let printed = print::pass(&words.join(&ends));
    Some(if printed.is_ok() { Exit::Success } else { Exit::Unexpected })
}

/// Builds the command with candidates for the values of its arguments.
fn command() -> Command {
    // Flags that may be written before the verb.
    let moved = [Arg::new("as_id").long("as"), Arg::new("server").short('s').long("server")];
    teach(Cli::command().args(moved))
}

fn teach(command: Command) -> Command {
    let command = command.mut_args(|arg| match arg.get_id().as_str() {
        "targets" => arg.add(ArgValueCompleter::new(|word: &OsStr| list(word, |_| true))),
        "name" => {
            arg.add(ArgValueCompleter::new(|word: &OsStr| list(word, |to| *to != Target::All)))
        }
        "room" => arg.add(ArgValueCompleter::new(|word: &OsStr| list(word, is_room))),
        "as_id" | "from" => arg.add(ArgValueCompleter::new(|word: &OsStr| list(word, is_user))),
        "priority" => arg.add(ArgValueCandidates::new(|| {
            PRIORITIES.iter().map(|name| CompletionCandidate::new(*name)).collect()
        })),
        _ => arg,
    });
    command.mut_subcommands(teach)
}

fn is_room(target: &Target) -> bool {
    matches!(target, Target::Room(_))
}

fn is_user(target: &Target) -> bool {
    matches!(target, Target::User(_))
}

/// Lists known names that complete the last name of a list.
fn list(word: &OsStr, of: fn(&Target) -> bool) -> Vec<CompletionCandidate> {
    let Some(word) = word.to_str() else { return Vec::new() };
    let (before, begun) = match word.rsplit_once(',') {
        Some((before, begun)) => (format!("{before},"), begun),
        None => (String::new(), word),
    };
    let targets = known::targets().into_iter().filter(of).map(|target| target.to_string());
    let begun = begun.to_ascii_lowercase();
    let names = targets.filter(|name| name.starts_with(&begun));
    names.map(|name| CompletionCandidate::new(format!("{before}{name}"))).collect()
}
