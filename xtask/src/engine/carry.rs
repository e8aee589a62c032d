//! Ways of memory to another host that are not the copying of files: CRIU's page server, and its lazy pages.

use super::lowering::run;
use crate::model::{Action, Command, Role};

/// The port that CRIU serves pages at.
const PORT: u16 = 27000;

/// In the work folder: the address of the other host.
pub const PEER_ADDRESS: &str = "peer";

/// Begins to take pages in on the destination, straight into the images. It is a daemon as soon as it listens.
pub(super) fn page_server(to: &str) -> Action {
    let line = format!(
        "mkdir -p images/{to} && criu page-server --daemon -D images/{to} -o page-server.log -v4 --port {PORT}"
    );
    run(Role::Destination, Command::new(line).keeping(format!("images/{to}/page-server.log")))
}

/// What a dump is told to send its pages there.
pub(super) fn to_page_server() -> String {
    format!(" --page-server --address \"$(cat {PEER_ADDRESS})\" --port {PORT}")
}

/// A dump that stays, and gives pages to whoever asks for them. The line ends as soon as it does so.
pub(super) fn lazily(dump: &str) -> String {
    format!(
        "rm -f ready && mkfifo ready && {{ {dump} --lazy-pages --port {PORT} --status-fd 3 3>ready </dev/null \
         >/dev/null 2>&1 & }} && if [ \"$(head -c 1 ready | wc -c)\" = 0 ]; then wait $!; exit 1; fi"
    )
}

/// The daemon on the destination that asks for pages.
pub(super) fn lazy_pages(from: &str) -> Action {
    let line = format!(
        "criu lazy-pages --daemon --pidfile lazy-pages.pid -D images/{from} -o lazy-pages.log -v4 --page-server \
         --address \"$(cat {PEER_ADDRESS})\" --port {PORT}"
    );
    run(Role::Destination, Command::new(line).keeping(format!("images/{from}/lazy-pages.log")))
}

/// Behind a lazy restore: until the last page is there, and the source is free.
pub(super) fn until_all_is_there(from: &str) -> String {
    format!("while kill -0 \"$(cat images/{from}/lazy-pages.pid)\" 2>/dev/null; do sleep 0.05; done")
}
