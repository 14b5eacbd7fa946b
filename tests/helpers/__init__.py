"""What several tests share; also importable by the processes that tests start."""
