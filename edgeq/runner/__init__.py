"""The program that runs on the device: source, build, the job sent to it and the result that comes back."""
