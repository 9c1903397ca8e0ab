"""Transfer: tasks, data-set layouts, generated scenes, fine-tuning back ends, evaluators."""
