//! Docker's HTTP API, which its client speaks too: what is asked of a container, and what of an answer is wanted.
//! <https://docs.docker.com/reference/api/engine/>; without a version in its path a question is for the daemon's own.

use serde::Deserialize;

use crate::model::{Answer, Shortcut};

/// A question of a container. HTTP/1.0: the daemon hangs up when it has answered, and its answer is in one piece. So a log
/// whose daemon died between two frames is taken for a whole one: a daemon that dies is found out by the next command.
pub(super) fn question(socket: &str, container: &str, answer: Answer) -> Shortcut {
    let what = match answer {
        Answer::State | Answer::LogPath => "json",
        Answer::Log => "logs?stdout=1",
    };
    Shortcut::Server {
        socket: socket.to_owned(),
        request: format!("GET /containers/{container}/{what} HTTP/1.0\r\nHost: docker\r\n\r\n"),
        answer,
    }
}

/// What is wanted of an answer, as the client would print it. `None` where it is not what was expected: then whoever
/// wants to know must ask the client.
pub fn heard(answer: Answer, said: &[u8]) -> Option<String> {
    let end = said.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, body) = (std::str::from_utf8(&said[..end]).ok()?, &said[end + 4..]);
    let status = head.split_ascii_whitespace().nth(1)?;
    if head.to_ascii_lowercase().contains("\r\ntransfer-encoding:") {
        return None;
    }
    match (status, answer) {
        ("200", Answer::Log) => unframed(body),
        ("200", _) => {
            let Inspected { state, log_path } = serde_json::from_slice(body).ok()?;
            Some(match answer {
                Answer::LogPath => log_path,
                _ if state.pid == 0 => format!("{}\n\n", state.status),
                _ => format!("{}\n{}\n", state.status, state.pid),
            })
        }
        // A look at what may not be there.
        ("404", Answer::State | Answer::Log) if holds(body, b"No such container") => Some(String::new()),
        _ => None,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    state: State,
    log_path: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    status: String,
    pid: i32,
}

/// A log comes in frames: the stream's number, three zeros, the length of what follows, big-endian. Stream 2 is standard
/// error; in any other but these the daemon tells that it could not read on, and its client would fail.
fn unframed(mut body: &[u8]) -> Option<String> {
    let mut all = Vec::new();
    while let Some((head, rest)) = body.split_first_chunk::<8>() {
        let [stream, 0, 0, 0, length @ ..] = *head else { return None };
        let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
        let (payload, after) = rest.split_at_checked(length)?;
        match stream {
            1 => all.extend_from_slice(payload),
            0 | 2 => {}
            _ => return None,
        }
        body = after;
    }
    body.is_empty().then(|| String::from_utf8_lossy(&all).into_owned())
}

fn holds(bytes: &[u8], words: &[u8]) -> bool {
    bytes.windows(words.len()).any(|window| window == words)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const RUNS: &str =
        r#"{"Id":"4f","State":{"Status":"running","Running":true,"Pid":812},"LogPath":"/log"}"#;
    const ENDED: &str = r#"{"State":{"Status":"exited","Pid":0},"LogPath":""}"#;
    const NONE: &str = r#"{"message":"No such container: looper"}"#;

    fn of(status: &str, body: &[u8]) -> Vec<u8> {
        let head =
            format!("HTTP/1.0 {status}\r\nApi-Version: 1.45\r\nContent-Type: application/json\r\n\r\n");
        [head.as_bytes(), body].concat()
    }

    #[rstest]
    #[case::runs("200 OK", Answer::State, RUNS, Some("running\n812\n"))]
    #[case::ended("200 OK", Answer::State, ENDED, Some("exited\n\n"))]
    #[case::its_log("200 OK", Answer::LogPath, RUNS, Some("/log"))]
    #[case::not_there("404 Not Found", Answer::State, NONE, Some(""))]
    #[case::no_log("404 Not Found", Answer::Log, NONE, Some(""))]
    #[case::no_path("404 Not Found", Answer::LogPath, NONE, None)]
    #[case::another_404("404 Not Found", Answer::State, "page not found", None)]
    #[case::ill("500 Internal Server Error", Answer::State, NONE, None)]
    #[case::cut("200 OK", Answer::State, "{\"State\":", None)]
    fn answers(
        #[case] status: &str,
        #[case] answer: Answer,
        #[case] body: &str,
        #[case] expected: Option<&str>,
    ) {
        assert_eq!(heard(answer, &of(status, body.as_bytes())).as_deref(), expected);
    }

    #[rstest]
    #[case::nothing(b"", Some(""))]
    #[case::two(b"\x01\0\0\0\0\0\0\x02a\n\x02\0\0\0\0\0\0\x01!\x01\0\0\0\0\0\0\x02b\n", Some("a\nb\n"))]
    #[case::ill(b"\x01\0\0\0\0\0\0\x02a\n\x03\0\0\0\0\0\0\x01!", None)]
    #[case::cut(b"\x01\0\0\0\0\0\0\x09a\n", None)]
    #[case::half_a_head(b"\x01\0\0", None)]
    #[case::no_frames(b"who=counter n=1", None)]
    fn logs(#[case] body: &[u8], #[case] expected: Option<&str>) {
        assert_eq!(heard(Answer::Log, &of("200 OK", body)).as_deref(), expected);
    }

    #[test]
    fn no_answer_and_one_in_chunks_are_none() {
        assert_eq!(heard(Answer::State, b""), None);
        let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
        assert_eq!(heard(Answer::Log, chunked), None);
    }
}
