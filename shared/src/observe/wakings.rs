//! Whether the schedules are there and on that wake the functions, where their keeper can be asked.

use crate::{
    domain::{
        finding::{Finding, FindingKind, Severity},
        freshness::{ScheduleSeen, Waking, schedules},
    },
    env::Env,
    error::{Kind, Result},
    ports::Schedules,
};
use futures::{StreamExt, stream};

/// How many are asked for at once.
const AT_ONCE: usize = 16;

/// Looks at every schedule that the config needs, and returns what is wrong with them.
pub async fn wakings(env: &Env) -> Vec<Finding> {
    let keeper = match env.providers.schedules().await {
        Ok(Some(keeper)) => keeper,
        Ok(None) => return Vec::new(),
        Err(error) => return vec![unseen(env, &error.full())],
    };
    let wanted = crate::domain::freshness::wakings(&env.config);
    let looks: Vec<_> = wanted.into_iter().map(|waking| look(&*keeper, waking)).collect();
    let looked: Vec<_> = stream::iter(looks).buffered(AT_ONCE).collect().await;
    let (mut seen, mut refused) = (Vec::new(), Vec::new());
    for (waking, found) in looked {
        match found {
            Ok(found) => seen.push((waking, found)),
            Err(error) => refused.push((waking, error)),
        }
    }
    let mut findings = schedules(&env.config, &seen);
    if let Some((waking, error)) = refused.first() {
        let more = if refused.len() > 1 { format!(" and {} more", refused.len() - 1) } else { String::new() };
        let passing = if error.kind() == Kind::Retry { " for now" } else { "" };
        findings.push(unseen(env, &format!("{}{more}{passing}: {}", waking.name, error.full())));
    }
    findings
}

/// One schedule. An export that takes longer than a Lambda may is woken as a task, under another name.
async fn look(keeper: &dyn Schedules, waking: Waking) -> (Waking, Result<ScheduleSeen>) {
    let mut seen = keeper.schedule(&waking.name).await;
    if let (Ok(ScheduleSeen::Absent), Some(rest)) = (&seen, waking.name.strip_prefix("export.")) {
        seen = keeper.schedule(&format!("task.{rest}")).await;
    }
    (waking, seen)
}

fn unseen(env: &Env, why: &str) -> Finding {
    let sentence = format!("whether the schedules are on could not be looked at: {why}");
    Finding::new(FindingKind::CouldNotObserve, Severity::Warning, sentence, "lastgood doctor").linked(&env.config.runbook)
}
