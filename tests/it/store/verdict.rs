//! Outcomes of writes without their kind, to keep tests short. The rig has checked that each
//! outcome is of the kind of its write.

use qmsg::durable::{
    AppendOutcome, DiskFull, MessageOutcome, NotClaimed, NotStored, Outcome, Record, RoomNotJoined,
    RoomNotLeft, StoredCursor, Write,
};
use qmsg::wire::Seq;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Claimed { new: bool },
    Taken,
    CodeNeeded,
    CodeBad,
    Stored { seq: Seq, ordinal: u64 },
    Mixed(Vec<(u64, Verdict)>),
    Duplicate,
    UnknownTarget,
    OtherKind,
    Full,
    DiskFull,
    ChunkStored,
    AckRecorded,
    Invited,
    Member { changed: bool, cursor: StoredCursor },
    Swept { more: bool },
    Scheduled,
    DueReleased { records: Vec<Record>, next_ms: Option<u64> },
    ParkedTaken { count: u64, records: Vec<Record> },
}

/// Returns whether an outcome is of the kind of a write.
pub(crate) fn answers(outcome: &Outcome, write: &Write) -> bool {
    match outcome {
        Outcome::Claim(_) => matches!(write, Write::Claim { .. }),
        Outcome::Invite(_) => matches!(write, Write::Invite { .. }),
        Outcome::Append(_) => matches!(write, Write::Append { .. }),
        Outcome::BeginUpload(_) => matches!(write, Write::BeginUpload { .. }),
        Outcome::AppendChunk(_) => matches!(write, Write::AppendChunk { .. }),
        Outcome::DiscardUpload => matches!(write, Write::DiscardUpload { .. }),
        Outcome::Ack => matches!(write, Write::Ack { .. }),
        Outcome::Schedule(_) => matches!(write, Write::Schedule { .. }),
        Outcome::ReleaseDue(_) => matches!(write, Write::ReleaseDue { .. }),
        Outcome::TakeParked(_) => matches!(write, Write::TakeParked { .. }),
        Outcome::JoinRoom(_) => matches!(write, Write::JoinRoom { .. }),
        Outcome::LeaveRoom(_) => matches!(write, Write::LeaveRoom { .. }),
        Outcome::Sweep(_) => matches!(write, Write::Sweep { .. }),
    }
}

impl From<Outcome> for Verdict {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Claim(Ok(claimed)) => Self::Claimed { new: claimed.new },
            Outcome::Claim(Err(NotClaimed::Taken)) => Self::Taken,
            Outcome::Claim(Err(NotClaimed::CodeNeeded)) => Self::CodeNeeded,
            Outcome::Claim(Err(NotClaimed::CodeBad)) => Self::CodeBad,
            Outcome::Claim(Err(NotClaimed::Full)) => Self::Full,
            Outcome::Claim(Err(NotClaimed::DiskFull)) => Self::DiskFull,
            Outcome::Append(AppendOutcome::All(outcome)) => outcome.into(),
            Outcome::Append(AppendOutcome::Mixed(parts)) => {
                Self::Mixed(parts.into_iter().map(|(count, part)| (count, part.into())).collect())
            }
            Outcome::BeginUpload(Ok(())) | Outcome::AppendChunk(Ok(())) => Self::ChunkStored,
            Outcome::DiscardUpload => Self::ChunkStored,
            Outcome::BeginUpload(Err(why)) | Outcome::Schedule(Err(why)) => why.into(),
            Outcome::Ack => Self::AckRecorded,
            Outcome::Schedule(Ok(())) => Self::Scheduled,
            Outcome::ReleaseDue(Ok(due)) => {
                Self::DueReleased { records: due.records, next_ms: due.next_ms }
            }
            Outcome::TakeParked(Ok(taken)) => {
                Self::ParkedTaken { count: taken.count, records: taken.records }
            }
            Outcome::Invite(Ok(())) => Self::Invited,
            Outcome::Invite(Err(DiskFull))
            | Outcome::AppendChunk(Err(DiskFull))
            | Outcome::ReleaseDue(Err(DiskFull))
            | Outcome::TakeParked(Err(DiskFull)) => Self::DiskFull,
            Outcome::JoinRoom(Ok(joined)) => {
                Self::Member { changed: joined.changed, cursor: joined.cursor }
            }
            Outcome::LeaveRoom(Ok(left)) => {
                Self::Member { changed: left.changed, cursor: StoredCursor::default() }
            }
            Outcome::JoinRoom(Err(RoomNotJoined::UnknownUser)) => Self::UnknownTarget,
            Outcome::JoinRoom(Err(RoomNotJoined::Full)) => Self::Full,
            Outcome::JoinRoom(Err(RoomNotJoined::DiskFull)) => Self::DiskFull,
            Outcome::LeaveRoom(Err(RoomNotLeft::UnknownRoom)) => Self::UnknownTarget,
            Outcome::LeaveRoom(Err(RoomNotLeft::DiskFull)) => Self::DiskFull,
            Outcome::Sweep(swept) => Self::Swept { more: swept.more },
        }
    }
}

impl From<MessageOutcome> for Verdict {
    fn from(outcome: MessageOutcome) -> Self {
        match outcome {
            Ok(at) => Self::Stored { seq: at.seq, ordinal: at.ordinal },
            Err(why) => why.into(),
        }
    }
}

impl From<NotStored> for Verdict {
    fn from(why: NotStored) -> Self {
        match why {
            NotStored::Duplicate => Self::Duplicate,
            NotStored::UnknownTarget => Self::UnknownTarget,
            NotStored::OtherKind => Self::OtherKind,
            NotStored::Full => Self::Full,
            NotStored::DiskFull => Self::DiskFull,
        }
    }
}
