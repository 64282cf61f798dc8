"""Which spatial frequencies does an image model rely on, and can it be trusted?"""
