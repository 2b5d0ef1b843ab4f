"""Who may be sent now, who waits, who is put off: one pure state machine, the clock an argument."""
