//! Visitors that ask one thing after the other, and take nothing but a whole answer, while something else goes on. Used by
//! the rows about stops and reloads.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::http::Http;
use crate::{Outcome, ensure};

/// Does `work` while a visitor each asks for one of `targets`, again and again. It is told how many answers there were.
pub fn under_load<T>(
    http: Http,
    targets: &[&str],
    work: impl FnOnce(&AtomicUsize) -> Outcome<T>,
) -> Outcome<T> {
    let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let visit = |target: &str| -> Outcome {
        while !over.load(Ordering::Relaxed) {
            let answer = http.get(target)?;
            ensure!(
                answer.status == 200 && answer.whole,
                "{target}: {} after {answered:?} answers, whole: {}",
                answer.status,
                answer.whole
            );
            answered.fetch_add(1, Ordering::Relaxed);
        }
        Ok(())
    };
    thread::scope(|scope| {
        let visitors: Vec<_> = targets
            .iter()
            .map(|target| scope.spawn(|| visit(target)))
            .collect();
        let done = work(&answered);
        over.store(true, Ordering::Relaxed);
        // What the visitors saw says more than what became of the work then.
        visitors
            .into_iter()
            .try_for_each(|visitor| visitor.join().map_err(|_| "a visitor panicked")?)?;
        done
    })
}
