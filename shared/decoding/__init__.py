"""Pictures of strangers, brought to the form that both stages read by child processes that may be killed."""
