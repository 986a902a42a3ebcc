//! Where everything stands on the screen.

use super::state::{Pane, State};
use ratatui::layout::Rect;

/// Lists stand side by side where there are so many columns.
const WIDE: u16 = 160;
/// Only the pane that is looked at is shown where there are fewer lines.
const LOW: u16 = 16;
/// Lines of a pane that are no rows: its title and the names of its columns.
const PANE_HEAD: u16 = 2;
/// Lines of what the server says hinders it.
pub(super) const MAX_PROBLEMS: usize = 2;
/// Rows of hold-offs beside the other panes.
const MAX_HOLD_OFFS: u16 = 4;

/// The parts of the screen. A pane that is not shown has no height.
#[derive(Clone, Copy, Debug)]
pub(super) struct Areas {
    pub(super) head: Rect,
    pub(super) panes: [Rect; 3],
    pub(super) foot: Rect,
    /// What lies over the panes.
    pub(super) over: Rect,
}

impl Areas {
    pub(super) fn of(state: &State) -> Self {
        let (width, height) = state.size;
        let head_lines = (2 + alerts(state)).min(height.saturating_sub(2));
        let head = Rect::new(0, 0, width, head_lines);
        let foot = Rect::new(0, height.saturating_sub(1), width, height.min(1));
        let body = Rect::new(0, head_lines, width, height.saturating_sub(head_lines + 1));
        let mut panes = [Rect::new(0, body.y, width, 0); 3];
        if body.height < LOW - 3 {
            panes[state.pane as usize] = body;
        } else {
            let hold_offs = u16::try_from(state.hold_offs.len()).unwrap_or(u16::MAX);
            // Nothing to see is nothing, but for who looks there.
            let below = match hold_offs {
                0 if state.pane != Pane::HoldOffs => 0,
                rows => PANE_HEAD + rows.clamp(1, MAX_HOLD_OFFS),
            };
            let lists = Rect { height: body.height - below, ..body };
            panes[Pane::HoldOffs as usize] = Rect { y: lists.bottom(), height: below, ..body };
            let (first, second) = if width >= WIDE {
                let half = width / 2;
                (Rect { width: half - 1, ..lists }, Rect { x: half, width: width - half, ..lists })
            } else {
                let half = lists.height / 2;
                (
                    Rect { height: half, ..lists },
                    Rect { y: lists.y + half, height: lists.height - half, ..lists },
                )
            };
            panes[Pane::Workers as usize] = first;
            panes[Pane::Jobs as usize] = second;
        }
        Self { head, panes, foot, over: body }
    }

    /// Rows of a pane that are seen at once.
    pub(super) fn page(&self, pane: Pane) -> usize {
        usize::from(self.panes[pane as usize].height.saturating_sub(PANE_HEAD))
    }

    /// Lines of what lies over the panes, without its frame.
    pub(super) fn over_page(&self) -> usize {
        usize::from(self.over.height.saturating_sub(2)).max(1)
    }
}

/// Lines for what hinders the pool.
fn alerts(state: &State) -> u16 {
    let Some(status) = &state.pool.status else { return 0 };
    let limits = status.at_quota || !status.at_capacity.is_empty() || !status.loaded;
    u16::from(limits) + u16::try_from(status.problems.len().min(MAX_PROBLEMS)).unwrap_or(0)
}
