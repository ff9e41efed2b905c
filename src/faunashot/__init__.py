"""How many labelled recordings does it take to recognise an animal?

faunashot embeds audio with pretrained networks and measures zero-shot, few-shot and full
training on the embeddings. Importing it imports neither TensorFlow nor MLflow.
"""

__version__ = "0.1.0"
