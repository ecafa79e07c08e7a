//! Keys and pastes, as long as somebody is at the other end.

use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use crossterm::event::{Event, EventStream};
use futures_util::StreamExt;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// What comes from the terminal.
#[derive(Debug, Default)]
pub struct Keys(EventStream);

impl Keys {
    /// The next event; `None` once the terminal is gone.
    pub async fn next(&mut self) -> Option<io::Result<Event>> {
        poll_fn(|context| self.poll(context)).await
    }

    /// What is ready now. It is polled by this task and not on the side: the stream keeps the first waker it
    /// is given.
    pub async fn at_once(&mut self) -> Option<io::Result<Event>> {
        let ready = |context: &mut Context<'_>| match self.poll(context) {
            Poll::Ready(event) => Poll::Ready(event),
            Poll::Pending => Poll::Ready(None),
        };
        poll_fn(ready).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<io::Result<Event>>> {
        // Asked for the keys of a terminal that has gone, crossterm would read its end again and again, and
        // never come back: whoever was cut off would leave a busy process behind.
        if is_gone() { Poll::Ready(None) } else { self.0.poll_next_unpin(context) }
    }
}

/// Whether nobody is at the other end of standard input any more.
fn is_gone() -> bool {
    let input = io::stdin();
    let mut asked = [PollFd::new(&input, PollFlags::IN)];
    let answered = poll(&mut asked, Some(&Timespec { tv_sec: 0, tv_nsec: 0 }));
    let over = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    answered.is_ok_and(|count| count > 0) && asked[0].revents().intersects(over)
}
