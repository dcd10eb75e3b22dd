//! Schedules with their exact outputs.
