//! How jobs end, as exit codes.

use super::failure::{CANCELLED, FAILED, OK};
use crate::{
    api::JobRow,
    job::{JobState, OutputKept},
};

/// What a shell adds to a signal's number.
const BY_SIGNAL: u8 = 128;
/// Of a signal whose number is not known here.
const SOME_SIGNAL: u8 = BY_SIGNAL;

/// The names, without `SIG`, of Linux' signals with their numbers, on x86 and ARM (signal(7)).
const SIGNALS: &[(&str, u8)] = &[
    ("HUP", 1),
    ("INT", 2),
    ("QUIT", 3),
    ("ILL", 4),
    ("TRAP", 5),
    ("ABRT", 6),
    ("BUS", 7),
    ("FPE", 8),
    ("KILL", 9),
    ("USR1", 10),
    ("SEGV", 11),
    ("USR2", 12),
    ("PIPE", 13),
    ("ALRM", 14),
    ("TERM", 15),
    ("STKFLT", 16),
    ("CHLD", 17),
    ("CONT", 18),
    ("STOP", 19),
    ("TSTP", 20),
    ("TTIN", 21),
    ("TTOU", 22),
    ("URG", 23),
    ("XCPU", 24),
    ("XFSZ", 25),
    ("VTALRM", 26),
    ("PROF", 27),
    ("WINCH", 28),
    ("IO", 29),
    ("PWR", 30),
    ("SYS", 31),
];

/// The exit code of a command that ends as a final job did: the job's, or 128 and its signal's number, or 125 for a
/// cancelled one.
pub(super) fn exit_code(job: &JobRow) -> u8 {
    match (job.state, &job.signal, job.exit_code) {
        (JobState::Complete, Some(signal), _) => {
            let named = SIGNALS.iter().find(|(name, _)| name == signal).map(|(_, number)| *number);
            let number = named.or_else(|| signal.parse().ok().filter(|number| *number < BY_SIGNAL));
            number.map_or(SOME_SIGNAL, |number| BY_SIGNAL + number)
        }
        // As a shell sees it: the lowest byte, but never a failure as a success.
        (JobState::Complete, None, Some(code)) => match code.to_le_bytes()[0] {
            0 if code != 0 => FAILED,
            low => low,
        },
        (JobState::Complete, None, None) => FAILED,
        _ => CANCELLED,
    }
}

/// Of several jobs: 0 if all of them ended with 0.
pub(super) fn exit_code_of_all(jobs: &[JobRow]) -> u8 {
    if jobs.iter().all(succeeded) { OK } else { FAILED }
}

pub(super) fn succeeded(job: &JobRow) -> bool {
    exit_code(job) == OK
}

/// How a final job ended, where there is more to say than an exit code; for people.
pub(super) fn remark(job: &JobRow) -> Option<String> {
    let id = &job.id;
    let reason = job.reason.as_deref().unwrap_or("no reason is known");
    match (job.state, &job.signal, job.exit_code) {
        (JobState::Cancelled, _, _) => Some(format!("job {id} was cancelled: {reason}")),
        (JobState::Complete, Some(signal), _) => Some(format!("job {id} was ended by signal {signal}")),
        (JobState::Complete, None, Some(127)) if job.reason.is_some() => {
            Some(format!("job {id} could not be started: {reason}"))
        }
        _ => None,
    }
}

/// That some of a job's output is missing; for people.
pub(super) fn output_remark(job: &JobRow) -> Option<String> {
    (job.output == OutputKept::Incomplete)
        .then(|| format!("the output of job {} is incomplete: its worker was lost", job.id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Finish, Job, JobRequest, Moment, QueueTag, Record};
    use std::sync::Arc;

    fn job(finish: Finish) -> JobRow {
        let mut record = Record::new(1);
        record.state = finish.state();
        record.finish = Some(finish);
        let id = QueueTag::random().job_id(1);
        let request = Arc::new(JobRequest::new(["true"]));
        JobRow::from(&Job { number: 1, id, submitted: Moment(0), request, record })
    }

    #[test]
    fn exit_codes_are_the_jobs() {
        let signal = |name: &str| Finish::Signaled { signal: name.to_owned() };
        let cases = [
            (Finish::Exited { code: 0 }, 0, false),
            (Finish::Exited { code: 7 }, 7, false),
            (Finish::Exited { code: 256 }, 1, false),
            (signal("KILL"), 137, true),
            (signal("TERM"), 143, true),
            (signal("34"), 162, true),
            (signal("RTMIN"), 128, true),
            (Finish::NotStarted { reason: "no such file".into() }, 127, true),
            (Finish::Cancelled { reason: "enough".into() }, 125, true),
        ];
        for (finish, code, remarked) in cases {
            let job = job(finish.clone());
            assert_eq!((exit_code(&job), remark(&job).is_some()), (code, remarked), "{finish:?}");
        }
        let [good, bad] = [0, 3].map(|code| job(Finish::Exited { code }));
        assert_eq!(exit_code_of_all(&[good.clone(), good.clone()]), 0);
        assert_eq!(exit_code_of_all(&[good, bad]), 1);
    }
}
