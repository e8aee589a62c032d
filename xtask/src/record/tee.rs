//! Hands each event to several takers, in order: the record first, whatever only shows it afterwards.

use crate::model::{Event, Telling};

/// Several takers behind one.
pub struct Tee<'a>(pub Vec<&'a dyn Telling>);

impl Telling for Tee<'_> {
    fn tell(&self, event: Event) {
        let Some((last, first)) = self.0.split_last() else { return };
        for taker in first {
            taker.tell(event.clone());
        }
        last.tell(event);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Writes its name and what it was told into a list that both takers share.
    struct Named<'a>(&'static str, &'a Mutex<Vec<String>>);

    impl Telling for Named<'_> {
        fn tell(&self, event: Event) {
            if let Event::Note { text } = event {
                self.1.lock().unwrap().push(format!("{} {text}", self.0));
            }
        }
    }

    #[test]
    fn each_event_goes_to_all_in_order() {
        let heard = Mutex::new(Vec::new());
        let (first, second) = (Named("record", &heard), Named("progress", &heard));
        let tee = Tee(vec![&first, &second]);
        tee.tell(Event::Note { text: "one".into() });
        tee.tell(Event::Note { text: "two".into() });
        assert_eq!(heard.into_inner().unwrap(), ["record one", "progress one", "record two", "progress two"]);
    }
}
